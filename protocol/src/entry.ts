/**
 * The entry: what one instance of a block's log decides. It is built by the proposer, which evaluates conditions at
 * applied i−1 and ships what apply needs of each old record, and applied identically by every replica (design §4.2).
 *
 *     u8 version = 1 | u8 0 | u48 horizon | u48 proposedAtMs | u16 requests
 *     request: 16 bytes requestId | u48 stamp | u8 outcome | 8 bytes detail | u16 series length | series | u16 operations
 *     operation: u8 kind | 8 bytes id | u8 old exists | u32 old size | 8 bytes old hash | u32 value length | value
 *
 * `outcome` is 0, or the number of an error code (a failed condition is chosen too, so that a retry gets the same
 * answer); it then carries no operations. `detail` is what the answer says beside its index: the id that an append was
 * given (8 bytes, big-endian), the current version of the record whose condition failed, or for a delete the version it
 * removed (both u64, little-endian). A no-op has no requests.
 *
 * Apply of entry i, in this order: horizon := max(horizon, entry's), answers with an index below it are dropped; then
 * for each request: stamp ≥ i → refused as `bad_stamp`; known request id → the first answer; stamp < horizon → refused
 * as `expired`; else the operations are applied with version i, and the answer (outcome, i, detail) is remembered.
 */
import { type ByteReader, type ByteWriter, DecodeError } from './bytes.ts'

export const ENTRY_VERSION = 1
export const ENTRY_HEADER_BYTES = 16
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
  requests: EntryRequest[]
}

/** Writes the header and returns where its request count stands, to be patched. */
export function writeEntryHeader(writer: ByteWriter, horizon: number, proposedAtMs: number): number {
  writer.u8(ENTRY_VERSION)
  writer.u8(0)
  writer.u48(horizon)
  writer.u48(proposedAtMs)
  const countAt = writer.length
  writer.u16(0)
  return countAt
}

/** Decodes an entry into objects: for `inspect`, tests and the simulator; the engine decodes for itself. */
export function readEntry(reader: ByteReader): Entry {
  const version = reader.u8()
  if (version !== ENTRY_VERSION) throw new DecodeError(`entry version ${version} is not ${ENTRY_VERSION}`)
  reader.u8()
  const horizon = reader.u48()
  const proposedAtMs = reader.u48()
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
  return { horizon, proposedAtMs, requests }
}
