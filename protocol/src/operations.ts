/**
 * Bodies of the operations on the data port, written and read (the layouts stand in client-messages.ts). The client
 * library and the node's HTTP side share this one implementation. Writers append to the ByteWriter they are given and
 * check nothing; `check…` functions below refuse what no node would take, naming the field.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'
import { Condition, WriteKind } from './client-messages.ts'
import { MAX_INDEX, MAX_PAGE_VERSIONS, MAX_SCAN_RECORDS, MAX_SLICE, MAX_VALUE_BYTES, MAX_WRITE_BYTES, MAX_WRITE_OPS } from './constants.ts'
import { ThermoclineError } from './errors.ts'
import { compareRecordIds, formatRecordId, MIN_ID, type RecordId, readRecordId, recordIdAt, writeRecordId } from './record-id.ts'

const NO_BYTES = new Uint8Array(0)

/** One operation of a write. */
export interface WriteOp {
  /** One of `WriteKind`. */
  readonly kind: number
  /** One of `Condition`. */
  readonly condition: number
  /** For `Condition.ifVersion`, else 0. */
  readonly version: number
  /** Zeros for an append. */
  readonly id: RecordId
  readonly value: Uint8Array
}

export interface WriteConditions {
  readonly ifAbsent?: boolean | undefined
  readonly ifVersion?: number | undefined
}

/**
 * Builds and checks an operation.
 * @throws ThermoclineError `invalid_argument` for an oversized value, or conditions that exclude each other.
 */
export function writeOp(kind: number, id: RecordId, value: Uint8Array, conditions: WriteConditions = {}): WriteOp {
  if (value.length > MAX_VALUE_BYTES) {
    throw new ThermoclineError('invalid_argument', `value: ${value.length} bytes are more than ${MAX_VALUE_BYTES}`)
  }
  const { ifAbsent, ifVersion } = conditions
  if (ifVersion === undefined) {
    return { kind, condition: ifAbsent === true ? Condition.ifAbsent : Condition.none, version: 0, id, value }
  }
  if (ifAbsent === true) throw new ThermoclineError('invalid_argument', 'ifAbsent: excludes ifVersion; give one of them')
  if (!Number.isInteger(ifVersion) || ifVersion < 1 || ifVersion > MAX_INDEX) {
    throw new ThermoclineError('invalid_argument', `ifVersion: ${ifVersion} is not a version, a whole number from 1 to ${MAX_INDEX}`)
  }
  return { kind, condition: Condition.ifVersion, version: ifVersion, id, value }
}

export const putOp = (id: RecordId, value: Uint8Array, conditions?: WriteConditions): WriteOp =>
  writeOp(WriteKind.put, id, value, conditions)
export const deleteOp = (id: RecordId, conditions?: WriteConditions): WriteOp => writeOp(WriteKind.delete, id, NO_BYTES, conditions)
export const appendOp = (value: Uint8Array): WriteOp => writeOp(WriteKind.append, MIN_ID, value)

/** @throws ThermoclineError `invalid_argument` for an empty or too large batch, or two operations on one record. */
export function checkBatch(ops: readonly WriteOp[]): void {
  if (ops.length < 1 || ops.length > MAX_WRITE_OPS) {
    throw new ThermoclineError('invalid_argument', `ops: a batch of ${ops.length} operations is not within 1 to ${MAX_WRITE_OPS}`)
  }
  let bytes = 0
  const seen = new Set<string>()
  for (const op of ops) {
    bytes += op.value.length
    const id = formatRecordId(op.id)
    if (op.kind !== WriteKind.append && seen.has(id)) {
      throw new ThermoclineError('invalid_argument', `ops: record ${id} occurs twice; a batch changes a record at most once`)
    }
    seen.add(id)
  }
  if (bytes > MAX_WRITE_BYTES) {
    throw new ThermoclineError('invalid_argument', `ops: ${bytes} bytes of values are more than ${MAX_WRITE_BYTES}`)
  }
}

/** `requestId` is 16 bytes. `ops` is one operation or several, on different records. */
export function writeWriteBody(
  writer: ByteWriter,
  requestId: Uint8Array,
  stamp: number,
  series: Uint8Array,
  ops: WriteOp | readonly WriteOp[],
): void {
  writer.put(requestId)
  writer.u48(stamp)
  writer.u16(series.length)
  writer.put(series)
  if ('kind' in ops) {
    writer.u16(1)
    writeOpBody(writer, ops)
  } else {
    writer.u16(ops.length)
    for (const op of ops) writeOpBody(writer, op)
  }
}

function writeOpBody(writer: ByteWriter, op: WriteOp): void {
  writer.u8(op.kind)
  writer.u8(op.condition)
  writer.u48(op.version)
  writeRecordId(writer, op.id)
  writer.u32(op.value.length)
  writer.put(op.value)
}

/** About how many bytes a write's body takes. */
export function writeBodyBytes(series: Uint8Array, ops: WriteOp | readonly WriteOp[]): number {
  let bytes = 26 + series.length
  if ('kind' in ops) return bytes + 20 + ops.value.length
  for (const op of ops) bytes += 20 + op.value.length
  return bytes
}

export interface WriteAnswer {
  /** Index of the entry that applied the write: the version of what it wrote. */
  readonly index: number
  /** For an append, the id that was assigned. */
  readonly id: RecordId
  /** For a delete, the version it removed, 0 if there was none. */
  readonly removedVersion: number
}

export function readWriteAnswer(reader: ByteReader): WriteAnswer {
  const index = reader.u48()
  const at = reader.skip(8)
  const removedVersion = reader.view.getUint32(at, true) + reader.view.getUint16(at + 4, true) * 2 ** 32
  return { index, id: recordIdAt(reader.view, at), removedVersion }
}

export function writeGetBody(writer: ByteWriter, series: Uint8Array, ids: readonly RecordId[]): void {
  writer.u16(series.length)
  writer.put(series)
  writer.u16(ids.length)
  for (const id of ids) writeRecordId(writer, id)
}

/** A record as read; `version` 0 means there is none. */
export interface ReadValue {
  readonly version: number
  /** A copy. */
  readonly value: Uint8Array
}

/** Reads one of the `count` values that follow the applied index in the answer of a get. */
export function readGetValue(reader: ByteReader): ReadValue {
  const version = reader.u48()
  return { version, value: copyBytes(reader, reader.u32()) }
}

export interface ScanRange {
  readonly from: RecordId
  readonly to: RecordId
  readonly limit: number
  /** Newest first. */
  readonly reverse: boolean
}

/** @throws ThermoclineError `invalid_argument` unless from ≤ to and limit is from 1 to 2³²−1. */
export function checkScan(range: ScanRange): void {
  if (compareRecordIds(range.from, range.to) > 0) {
    throw new ThermoclineError(
      'invalid_argument',
      `from: ${formatRecordId(range.from)} is above to, ${formatRecordId(range.to)}; both bounds are inclusive and from ≤ to in either direction`,
    )
  }
  if (!Number.isInteger(range.limit) || range.limit < 1 || range.limit > 0xffffffff) {
    throw new ThermoclineError('invalid_argument', `limit: ${range.limit} is not a whole number from 1`)
  }
}

export function writeScanBody(writer: ByteWriter, series: Uint8Array, range: ScanRange): void {
  writer.u16(series.length)
  writer.put(series)
  writeRecordId(writer, range.from)
  writeRecordId(writer, range.to)
  writer.u32(Math.min(range.limit, MAX_SCAN_RECORDS))
  writer.u8(range.reverse ? 1 : 0)
}

export interface ScannedRecord {
  readonly id: RecordId
  readonly version: number
  /** A copy. */
  readonly value: Uint8Array
}

export interface ScanAnswer {
  /** The applied index of the block that the chunk was read at. */
  readonly index: number
  /** The first id not returned, if the range has more. */
  readonly next: RecordId | undefined
  readonly records: ScannedRecord[]
}

export function readScanAnswer(reader: ByteReader): ScanAnswer {
  const index = reader.u48()
  const more = reader.u8() === 1
  const next = readRecordId(reader)
  const records: ScannedRecord[] = []
  for (let left = reader.u32(); left > 0; left--) {
    const id = readRecordId(reader)
    const version = reader.u48()
    records.push({ id, version, value: copyBytes(reader, reader.u32()) })
  }
  return { index, next: more ? next : undefined, records }
}

/** The range that continues a scan at `next`. */
export function continueScan(range: ScanRange, next: RecordId): ScanRange {
  return range.reverse ? { ...range, to: next } : { ...range, from: next }
}

export function writeStampsBody(writer: ByteWriter, blocks: readonly number[]): void {
  writer.u16(blocks.length)
  for (const block of blocks) writer.u16(block)
}

/** @throws ThermoclineError `invalid_argument` for more than 4096 slices or one out of range. */
export function checkSlices(slices: readonly number[]): void {
  if (slices.length < 1 || slices.length > MAX_PAGE_VERSIONS) {
    throw new ThermoclineError('invalid_argument', `slices: ${slices.length} of them are not within 1 to ${MAX_PAGE_VERSIONS}`)
  }
  for (const slice of slices) {
    if (!Number.isInteger(slice) || slice < 0 || slice > MAX_SLICE) {
      throw new ThermoclineError('invalid_argument', `slices: ${slice} is not a whole number from 0 to ${MAX_SLICE}`)
    }
  }
}

export function writePageVersionsBody(writer: ByteWriter, series: Uint8Array, slices: readonly number[]): void {
  writer.u16(series.length)
  writer.put(series)
  writer.u16(slices.length)
  for (const slice of slices) writer.u48(slice)
}

export function writeTopologyBody(writer: ByteWriter, knownEpoch: number, waitMs: number): void {
  writer.u32(knownEpoch)
  writer.u32(waitMs)
}

/** Of the room that small values share. */
const ROOM_BYTES = 8 * 1024
/** Larger values have a buffer of their own. */
const MAX_SMALL_BYTES = 1024
let room = new Uint8Array(0)
let roomAt = 0

/**
 * Values outlive the frame they came in; a view would keep its whole chunk alive. Small ones share room, as small Buffers of
 * Node.js do: a buffer for each would cost more than all else that is done for a record.
 */
function copyBytes(reader: ByteReader, length: number): Uint8Array {
  const at = reader.skip(length)
  if (length === 0) return new Uint8Array(0)
  const value = reader.bytes.subarray(at, at + length)
  if (length > MAX_SMALL_BYTES) return new Uint8Array(value)
  if (roomAt + length > room.length) {
    room = new Uint8Array(ROOM_BYTES)
    roomAt = 0
  }
  const copy = room.subarray(roomAt, roomAt + length)
  copy.set(value)
  roomAt += length
  return copy
}
