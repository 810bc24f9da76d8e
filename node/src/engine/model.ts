/**
 * What the engine must do, said as simply as possible: maps, no flushes, no bytes. Tests run both side by side.
 * Also the small writers of requests, entries and batches that tests need.
 */
import {
  ByteReader,
  ByteWriter,
  DIGEST_KEY_BYTES,
  ENTRY_HAS_KEY,
  ENTRY_KEY_AT,
  OpKind,
  sealEntry,
  VALUE_ID_BYTES,
  writeEntryHeader,
} from '@thermocline/protocol'
import { type Engine, NEEDS_IO } from './port.ts'

export const EXPIRED = 7
export const BAD_STAMP = 19

export interface ModelOp {
  readonly kind: number
  readonly id: bigint
  readonly value: Uint8Array
}

export interface ModelRequest {
  readonly requestId: Uint8Array
  readonly stamp: number
  readonly outcome: number
  readonly detail: Uint8Array
  readonly series: string
  readonly ops: readonly ModelOp[]
}

/** Of a series that need not have a name in text. */
export type WriteRequest = Omit<ModelRequest, 'series'> & { readonly series: SeriesName }

export interface ModelRecord {
  readonly id: bigint
  readonly version: number
  readonly value: Uint8Array
}

export interface ModelAnswer {
  readonly outcome: number
  readonly index: number
  readonly detail: Uint8Array
}

interface StoredAnswer extends ModelAnswer {
  readonly requestId: string
}

const encoder = new TextEncoder()
const NO_DETAIL = new Uint8Array(8)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** One block as the model sees it. */
export class ModelBlock {
  index = 0
  horizon = 0
  answers: StoredAnswer[] = []
  readonly series = new Map<string, Map<bigint, ModelRecord>>()
  readonly pageVersions = new Map<string, number>()
  private readonly sliceDurationMs: number

  constructor(sliceDurationMs: number) {
    this.sliceDurationMs = sliceDurationMs
  }

  sliceOf(id: bigint): number {
    return Number((id >> 16n) / BigInt(this.sliceDurationMs))
  }

  apply(horizon: number, requests: readonly ModelRequest[]): ModelAnswer[] {
    this.index++
    this.horizon = Math.max(this.horizon, horizon)
    this.answers = this.answers.filter((answer) => answer.index >= this.horizon)
    return requests.map((request) => this.applyRequest(request))
  }

  private applyRequest(request: ModelRequest): ModelAnswer {
    if (request.stamp >= this.index) return { outcome: BAD_STAMP, index: this.index, detail: NO_DETAIL }
    const requestId = hex(request.requestId)
    const first = this.answers.find((answer) => answer.requestId === requestId)
    if (first !== undefined) return first
    if (request.stamp < this.horizon) return { outcome: EXPIRED, index: this.index, detail: NO_DETAIL }
    for (const op of request.ops) this.applyOp(request.series, op)
    const answer = { requestId, outcome: request.outcome, index: this.index, detail: request.detail }
    this.answers.push(answer)
    return answer
  }

  private applyOp(name: string, op: ModelOp): void {
    const records = this.series.get(name) ?? new Map<bigint, ModelRecord>()
    this.series.set(name, records)
    const page = `${name}/${this.sliceOf(op.id)}`
    if (op.kind === OpKind.put) {
      records.set(op.id, { id: op.id, version: this.index, value: op.value })
      this.pageVersions.set(page, this.index)
    } else if (records.delete(op.id)) {
      const left = [...records.keys()].some((id) => this.sliceOf(id) === this.sliceOf(op.id))
      this.pageVersions.set(page, left ? this.index : 0)
    }
  }

  get(series: string, id: bigint): ModelRecord | undefined {
    return this.series.get(series)?.get(id)
  }

  scan(series: string, from: bigint, to: bigint, reverse: boolean): ModelRecord[] {
    const found = [...(this.series.get(series)?.values() ?? [])].filter((record) => record.id >= from && record.id <= to)
    found.sort((a, b) => (a.id < b.id ? -1 : 1))
    return reverse ? found.reverse() : found
  }

  pageVersion(series: string, slice: number): number {
    return this.pageVersions.get(`${series}/${slice}`) ?? 0
  }
}

function putId(writer: ByteWriter, id: bigint): void {
  const at = writer.claim(8)
  writer.view.setBigUint64(at, id)
}

export function readId(reader: ByteReader): bigint {
  return reader.view.getBigUint64(reader.skip(8))
}

/** A name, as text or as the bytes that it is on the wire. */
export type SeriesName = string | Uint8Array

function putSeries(writer: ByteWriter, series: SeriesName): void {
  const bytes = typeof series === 'string' ? encoder.encode(series) : series
  writer.u16(bytes.length)
  writer.put(bytes)
}

export function getRequest(series: SeriesName, ids: readonly bigint[]): Uint8Array {
  const writer = new ByteWriter(64)
  putSeries(writer, series)
  writer.u16(ids.length)
  for (const id of ids) putId(writer, id)
  return writer.copy()
}

export function scanRequest(series: SeriesName, from: bigint, to: bigint, limit: number, reverse: boolean): Uint8Array {
  const writer = new ByteWriter(64)
  putSeries(writer, series)
  putId(writer, from)
  putId(writer, to)
  writer.u32(limit)
  writer.u8(reverse ? 1 : 0)
  return writer.copy()
}

export function pageVersionsRequest(series: SeriesName, slices: readonly number[]): Uint8Array {
  const writer = new ByteWriter(64)
  putSeries(writer, series)
  writer.u16(slices.length)
  for (const slice of slices) writer.u48(slice)
  return writer.copy()
}

export function writeRequest(request: WriteRequest): Uint8Array {
  const writer = new ByteWriter(256)
  writer.put(request.requestId)
  writer.u48(request.stamp)
  putSeries(writer, request.series)
  writer.u16(request.ops.length)
  for (const op of request.ops) {
    writer.u8(op.kind)
    writer.u8(0)
    writer.u48(0)
    putId(writer, op.id)
    writer.u32(op.value.length)
    writer.put(op.value)
  }
  return writer.copy()
}

export interface OldRecord {
  readonly exists: boolean
  readonly version: number
  readonly size: number
  readonly hash: Uint8Array
}

export interface Peeked {
  readonly known: ModelAnswer | undefined
  readonly old: OldRecord[]
}

export function readPeek(out: Uint8Array, length: number): Peeked {
  const reader = new ByteReader(out, 0, length)
  const known = reader.u8() === 1
  const answer = readAnswer(reader)
  const old: OldRecord[] = []
  for (let left = reader.u16(); left > 0; left--) {
    const exists = reader.u8() === 1
    old.push({ exists, version: reader.u48(), size: reader.u32(), hash: reader.take(8).slice() })
  }
  reader.finish('peek')
  return { known: known ? answer : undefined, old }
}

export function readAnswer(reader: ByteReader): ModelAnswer {
  const outcome = reader.u8()
  return { outcome, index: reader.u48(), detail: reader.take(8).slice() }
}

/** Asks the engine what a proposer asks it. */
export async function peek(engine: Engine, block: number, request: WriteRequest): Promise<Peeked> {
  const bytes = writeRequest(request)
  const out = new Uint8Array(18 + 19 * request.ops.length)
  let length = engine.peek(block, bytes, 0, bytes.length, out)
  if (length === NEEDS_IO) length = await engine.peekAsync(block, bytes, 0, bytes.length, out)
  return readPeek(out, length)
}

/** Builds the entry of some requests with the old records a proposer found. */
export function buildEntry(
  horizon: number,
  proposedAtMs: number,
  requests: readonly (WriteRequest & { old: readonly OldRecord[] })[],
): Uint8Array {
  const writer = new ByteWriter(512)
  const countAt = writeEntryHeader(writer, horizon, proposedAtMs)
  writer.patchU16(countAt, requests.length)
  for (const request of requests) {
    writer.put(request.requestId)
    writer.u48(request.stamp)
    writer.u8(request.outcome)
    writer.put(request.detail)
    putSeries(writer, request.series)
    writer.u16(request.ops.length)
    request.ops.forEach((op, i) => {
      const old = request.old[i]
      writer.u8(op.kind)
      putId(writer, op.id)
      writer.u8(old?.exists ? 1 : 0)
      writer.u32(old?.size ?? 0)
      writer.put(old?.hash ?? NO_DETAIL)
      writer.u32(op.value.length)
      writer.put(op.value)
    })
  }
  sealEntry(writer)
  return writer.copy()
}

/** The entry as a block's first, which carries the digest key of the block. */
export function withKey(entry: Uint8Array, key: Uint8Array = new Uint8Array(DIGEST_KEY_BYTES)): Uint8Array {
  // What is no entry without a key stays as it is.
  if (entry.length < ENTRY_KEY_AT || entry[1] !== 0) return entry
  const writer = new ByteWriter(entry.length + DIGEST_KEY_BYTES)
  writer.put(entry, 0, ENTRY_KEY_AT)
  writer.put(key)
  writer.put(entry, ENTRY_KEY_AT)
  writer.bytes[1] = ENTRY_HAS_KEY
  sealEntry(writer)
  return writer.copy()
}

export interface BatchItem {
  readonly block: number
  readonly index: number
  readonly entry: Uint8Array
  readonly wantsAnswers?: boolean
}

/** A value id that says its block and index, to be recognised in positions. */
export function valueIdOf(block: number, index: number): Uint8Array {
  const id = new Uint8Array(VALUE_ID_BYTES)
  const view = new DataView(id.buffer)
  view.setUint16(0, block, true)
  view.setUint32(20, index, true)
  return id
}

export function buildBatch(items: readonly BatchItem[]): Uint8Array {
  const writer = new ByteWriter(1024)
  writer.u32(items.length)
  for (const item of items) {
    const entry = item.index === 1 ? withKey(item.entry) : item.entry
    writer.u16(item.block)
    writer.u48(item.index)
    writer.put(valueIdOf(item.block, item.index))
    writer.u8(item.wantsAnswers === false ? 0 : 1)
    writer.u32(entry.length)
    writer.put(entry)
  }
  return writer.copy()
}

/** Applies a batch and returns the answers in it. */
export function applyBatch(engine: Engine, items: readonly BatchItem[], answersBytes = 64 * 1024): ModelAnswer[] {
  const batch = buildBatch(items)
  const out = new Uint8Array(answersBytes)
  const length = engine.apply(batch, batch.length, out)
  if (length < 0) throw new Error(`item ${-1 - length} of the batch is not applied: ${engine.refusal()}`)
  const reader = new ByteReader(out, 0, length)
  const answers: ModelAnswer[] = []
  while (reader.remaining > 0) answers.push(readAnswer(reader))
  return answers
}

type ReadName = 'get' | 'scan' | 'pageVersions'

/** A read's body: synchronous if memory has it and `mode` allows, else from disk. */
export async function readBody(
  engine: Engine,
  name: ReadName,
  block: number,
  request: Uint8Array,
  mode: 'sync' | 'async',
): Promise<Uint8Array> {
  if (mode === 'sync') {
    let out = new Uint8Array(256)
    let length = engine[name](block, request, 0, request.length, out, 0)
    if (length <= -2) {
      out = new Uint8Array(-2 - length)
      length = engine[name](block, request, 0, request.length, out, 0)
    }
    if (length !== NEEDS_IO) return out.subarray(0, length)
  }
  return await engine[`${name}Async`](block, request, 0, request.length)
}

export function readGet(body: Uint8Array, ids: readonly bigint[]): { index: number; records: (ModelRecord | undefined)[] } {
  const reader = new ByteReader(body)
  const index = reader.u48()
  const records = ids.map((id) => {
    const version = reader.u48()
    const value = reader.take(reader.u32()).slice()
    return version === 0 ? undefined : { id, version, value }
  })
  reader.finish('get')
  return { index, records }
}

export interface ScanAnswer {
  readonly index: number
  readonly more: boolean
  readonly next: bigint
  readonly records: ModelRecord[]
}

export function readScan(body: Uint8Array): ScanAnswer {
  const reader = new ByteReader(body)
  const index = reader.u48()
  const more = reader.u8() === 1
  const next = readId(reader)
  const records: ModelRecord[] = []
  for (let left = reader.u32(); left > 0; left--) {
    const id = readId(reader)
    records.push({ id, version: reader.u48(), value: reader.take(reader.u32()).slice() })
  }
  reader.finish('scan')
  return { index, more, next, records }
}

export function readVersions(body: Uint8Array): { index: number; versions: number[] } {
  const reader = new ByteReader(body)
  const index = reader.u48()
  const versions: number[] = []
  while (reader.remaining > 0) versions.push(reader.u48())
  return { index, versions }
}
