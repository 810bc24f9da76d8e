/**
 * Record ids: `<ms>-<seq>`, 48-bit Unix milliseconds and a 16-bit sequence, written like a Redis stream entry id
 * (`1732233600000-0`) and sorted numerically. On the wire and in keys an id is 8 big-endian bytes.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'
import { MAX_ID_MS, MAX_ID_SEQ } from './constants.ts'
import { ThermoclineError } from './errors.ts'

export interface RecordId {
  readonly ms: number
  readonly seq: number
}

export const ID_BYTES = 8
export const MIN_ID: RecordId = { ms: 0, seq: 0 }
export const MAX_ID: RecordId = { ms: MAX_ID_MS, seq: MAX_ID_SEQ }

const FORM = /^(\d{1,15})(?:-(\d{1,5}))?$/

/**
 * Parses `<ms>-<seq>`; a bare `<ms>` takes `missingSeq`.
 * @throws ThermoclineError `invalid_argument`, naming the value and what was expected.
 */
export function parseRecordId(text: string, missingSeq = 0): RecordId {
  const match = FORM.exec(text)
  const ms = Number(match?.[1])
  const seq = match?.[2] === undefined ? missingSeq : Number(match[2])
  if (match === null || ms > MAX_ID_MS || seq > MAX_ID_SEQ) {
    throw new ThermoclineError(
      'invalid_argument',
      `id: ${JSON.stringify(text.slice(0, 80))} is not <ms>-<seq> with ms ≤ ${MAX_ID_MS} and seq ≤ ${MAX_ID_SEQ}, like 1732233600000-0`,
    )
  }
  return { ms, seq }
}

export function formatRecordId(id: RecordId): string {
  return `${id.ms}-${id.seq}`
}

export function compareRecordIds(a: RecordId, b: RecordId): number {
  return a.ms - b.ms || a.seq - b.seq
}

export function writeRecordId(writer: ByteWriter, id: RecordId): void {
  const at = writer.claim(ID_BYTES)
  writer.view.setUint32(at, id.ms / 0x1_0000)
  writer.view.setUint16(at + 4, id.ms % 0x1_0000)
  writer.view.setUint16(at + 6, id.seq)
}

export function recordIdAt(view: DataView, at: number): RecordId {
  return { ms: view.getUint32(at) * 0x1_0000 + view.getUint16(at + 4), seq: view.getUint16(at + 6) }
}

export function readRecordId(reader: ByteReader): RecordId {
  return recordIdAt(reader.view, reader.skip(ID_BYTES))
}
