/**
 * The entry: what one instance of a block's log decides. It is built by the proposer, which evaluates conditions at
 * applied i−1 and ships what apply needs of each old record, and applied identically by every replica (design §4.2).
 *
 *     u8 version = 2 | u8 flags | u32 checksum of all that follows | u48 horizon | u48 proposedAtMs | 16 bytes key, if flag 1 | u16 requests
 *     request: 16 bytes requestId | u48 stamp | u8 outcome | 8 bytes detail | u16 series length | series | u16 operations
 *     operation: u8 kind | 8 bytes id | u8 old exists | u32 old size | 8 bytes old hash | u32 value length | value
 *
 * `outcome` is 0, or the number of an error code (a failed condition is chosen too, so that a retry gets the same
 * answer); it then carries no operations. `detail` is what the answer says beside its index: the id that an append was
 * given (8 bytes, big-endian), the current version of the record whose condition failed, or for a delete the version it
 * removed (both u64, little-endian). A no-op has no requests.
 *
 * The checksum belongs to the entry and not to a message or a log record, so that a bit that flips anywhere between the
 * proposer and apply is noticed. The key is random; the entry of a block's instance 1 carries it, and no other entry does.
 * The block's digest is keyed by it: replicas share the key, and no client knows it.
 *
 * Apply of entry i, in this order: horizon := max(horizon, entry's), answers with an index below it are dropped; then
 * for each request: stamp ≥ i → refused as `bad_stamp`; known request id → the first answer; stamp < horizon → refused
 * as `expired`; else the operations are applied with version i, and the answer (outcome, i, detail) is remembered.
 */
import { type ByteReader, type ByteWriter, DecodeError } from './bytes.ts'
import { checksum32 } from './checksum.ts'

export const ENTRY_VERSION = 2
/** Flag: the header carries the block's digest key. */
export const ENTRY_HAS_KEY = 1
export const DIGEST_KEY_BYTES = 16
/** Where the checksum stands; it covers everything behind it. */
export const ENTRY_CHECKSUM_AT = 2
export const ENTRY_CHECKED_FROM = ENTRY_CHECKSUM_AT + 4
/** Where the key stands, if there is one: behind the horizon and the time. */
export const ENTRY_KEY_AT = ENTRY_CHECKED_FROM + 6 + 6
export const REQUEST_ID_BYTES = 16
export const OP_HEADER_BYTES = 26

export const OpKind = { put: 1, delete: 2 } as const

export interface EntryOp {
  kind: number
  /** 8 big-endian bytes. */
  id: Uint8Array
  oldExists: boolean
  oldSize: number
  oldHash: Uint8Array
  value: Uint8Array
}

export interface EntryRequest {
  requestId: Uint8Array
  stamp: number
  outcome: number
  detail: Uint8Array
  series: Uint8Array
  ops: EntryOp[]
}

export interface Entry {
  horizon: number
  proposedAtMs: number
  /** Undefined in all entries but a block's first. */
  key: Uint8Array | undefined
  requests: EntryRequest[]
}

/** Writes the header and returns where its request count stands, to be patched. The entry ends with `sealEntry`. */
export function writeEntryHeader(writer: ByteWriter, horizon: number, proposedAtMs: number, key?: Uint8Array): number {
  writer.u8(ENTRY_VERSION)
  writer.u8(key === undefined ? 0 : ENTRY_HAS_KEY)
  writer.u32(0)
  writer.u48(horizon)
  writer.u48(proposedAtMs)
  if (key !== undefined) writer.put(key)
  const countAt = writer.length
  writer.u16(0)
  return countAt
}

/** Fills in the checksum of the entry that the writer holds from `at` to its end. Nothing of the entry may change afterwards. */
export function sealEntry(writer: ByteWriter, at = 0): void {
  writer.patchU32(at + ENTRY_CHECKSUM_AT, checksum32(writer.bytes.subarray(at + ENTRY_CHECKED_FROM, writer.length)))
}

/** Decodes an entry into objects: for `inspect`, tests and the simulator; the engine decodes for itself. */
export function readEntry(reader: ByteReader): Entry {
  const version = reader.u8()
  if (version !== ENTRY_VERSION) throw new DecodeError(`entry version ${version} is not ${ENTRY_VERSION}`)
  const flags = reader.u8()
  const checksum = reader.u32()
  if (checksum32(reader.bytes.subarray(reader.at, reader.end)) !== checksum) throw new DecodeError('an entry fails its checksum')
  const horizon = reader.u48()
  const proposedAtMs = reader.u48()
  const key = (flags & ENTRY_HAS_KEY) === 0 ? undefined : reader.take(DIGEST_KEY_BYTES)
  const requests: EntryRequest[] = []
  for (let left = reader.u16(); left > 0; left--) {
    const requestId = reader.take(REQUEST_ID_BYTES)
    const stamp = reader.u48()
    const outcome = reader.u8()
    const detail = reader.take(8)
    const series = reader.take(reader.u16())
    const ops: EntryOp[] = []
    for (let opsLeft = reader.u16(); opsLeft > 0; opsLeft--) {
      const kind = reader.u8()
      if (kind !== OpKind.put && kind !== OpKind.delete) throw new DecodeError(`operation kind ${kind} is not known`)
      const id = reader.take(8)
      const oldExists = reader.u8() === 1
      const oldSize = reader.u32()
      const oldHash = reader.take(8)
      ops.push({ kind, id, oldExists, oldSize, oldHash, value: reader.take(reader.u32()) })
    }
    requests.push({ requestId, stamp, outcome, detail, series, ops })
  }
  return { horizon, proposedAtMs, key, requests }
}
