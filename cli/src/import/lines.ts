/** Cuts a stream of bytes into lines, with line numbers and the byte offset after each. */
import { MAX_VALUE_BYTES } from '@thermocline/protocol'

/** A longer line cannot be a record of 1 MiB, however it is escaped; it is skipped, not kept. */
const MAX_LINE_BYTES = 8 * MAX_VALUE_BYTES
const NEWLINE = 10

/** What a source yields: a record's text, where it ends in the input, and its fields or why it has none. */
export interface Item {
  /** Of its first line, from 1. */
  readonly line: number
  readonly endOffset: number
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>> | undefined
  readonly error: string | undefined
}

export async function* readNdjson(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Item> {
  for await (const { line, endOffset, bytes } of readLines(chunks)) {
    if (bytes === undefined) {
      yield { line, endOffset, text: '', fields: undefined, error: `the line is longer than ${MAX_LINE_BYTES} bytes` }
      continue
    }
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
    if (text.trim() !== '') yield { line, endOffset, text, ...parse(text) }
  }
}

function parse(text: string): Pick<Item, 'fields' | 'error'> {
  try {
    const value: unknown = JSON.parse(text)
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      return { fields: value as Record<string, unknown>, error: undefined }
    }
    return { fields: undefined, error: 'the line is JSON, but no object' }
  } catch (error) {
    return { fields: undefined, error: `the line is not JSON: ${(error as Error).message}` }
  }
}

interface Line {
  readonly line: number
  readonly endOffset: number
  /** Without the newline; undefined if it was too long. */
  readonly bytes: Uint8Array | undefined
}

async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let line = 0
  let offset = 0
  let parts: Uint8Array[] = []
  let partBytes = 0
  const take = (last: Uint8Array): Uint8Array | undefined => {
    const whole = partBytes === 0 ? last : Buffer.concat([...parts, last])
    const isTooLong = partBytes + last.length > MAX_LINE_BYTES
    parts = []
    partBytes = 0
    if (isTooLong) return undefined
    return whole.at(-1) === 13 ? whole.subarray(0, -1) : whole
  }
  for await (const chunk of chunks) {
    let at = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, at)) {
      line++
      const bytes = take(chunk.subarray(at, end))
      at = end + 1
      yield { line, endOffset: offset + at, bytes }
    }
    const rest = chunk.subarray(at)
    // Of a line that is too long only its length is kept.
    if (partBytes <= MAX_LINE_BYTES) parts.push(rest.slice())
    partBytes += rest.length
    offset += chunk.length
  }
  if (partBytes > 0) yield { line: line + 1, endOffset: offset, bytes: take(new Uint8Array(0)) }
}
