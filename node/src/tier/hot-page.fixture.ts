/** Entries of the memory tier's cache as they travel between peers (native/src/page_cache.h), whole or wrong in one place, and sealed either way. */
import { ByteWriter, blockOf } from '@thermocline/protocol'
import { XXH3_LEAST, XXH3_MOST, xxh3 } from '../xxh3.fixture.ts'

export const ENTRY_BYTES = 56
export const ENTRY_MAGIC = 0x45474150
const VERSION_AT = 16
const COUNT_AT = 24
const CONTENT_BYTES_AT = 28
const KIND_AT = 32
const BLOCK_AT = 34
const NAME_BYTES_AT = 36
const WRITTEN_AT = 44
const CHECK_AT = 48

export interface HotRecord {
  readonly id: bigint
  readonly version?: number
  readonly value: Uint8Array
}

export interface HotPage {
  readonly series: Uint8Array
  readonly slice: number
  readonly version: number
  readonly kind?: number
  readonly block?: number
  readonly count?: number
  readonly content: Uint8Array
}

/** The content of a page of these records. */
export function contentOf(records: readonly HotRecord[], version: number): Uint8Array {
  const offsets = new ByteWriter(64)
  const content = new ByteWriter(128)
  for (const record of records) {
    offsets.u32(content.length)
    const at = content.claim(8)
    content.view.setBigUint64(at, record.id)
    content.u48(record.version ?? version)
    content.u32(record.value.length)
    content.put(record.value)
  }
  offsets.put(content.written())
  return offsets.copy()
}

export function directoryOf(slices: readonly number[]): Uint8Array {
  const content = new ByteWriter(64)
  for (const slice of slices) content.u48(slice)
  return content.copy()
}

export function hotPage(page: HotPage): Uint8Array {
  const { series, content } = page
  const w = new ByteWriter(256)
  w.u32(ENTRY_MAGIC)
  w.u32(Math.ceil((ENTRY_BYTES + series.length + content.length) / 8) * 8)
  w.u48(page.slice)
  w.u16(0)
  w.u48(page.version)
  w.u16(0)
  w.u32(page.count ?? 0)
  w.u32(content.length)
  w.u16(page.kind ?? 0)
  w.u16(page.block ?? blockOf(series))
  w.u16(series.length)
  w.u16(0)
  w.u32(0)
  w.u32(77)
  w.claim(8)
  w.put(series)
  w.put(content)
  const entry = w.copy()
  seal(entry)
  return entry
}

/** Makes the checksum right, whatever the entry says; false if it is of a length that the fixture's hash does not take. */
export function seal(entry: Uint8Array): boolean {
  if (entry.length < ENTRY_BYTES) return false
  const view = new DataView(entry.buffer, entry.byteOffset, entry.byteLength)
  const bytes = view.getUint16(NAME_BYTES_AT, true) + view.getUint32(CONTENT_BYTES_AT, true)
  if (bytes < XXH3_LEAST || bytes > XXH3_MOST || ENTRY_BYTES + bytes > entry.length) return false
  const words = new BigUint64Array([
    view.getBigUint64(8, true),
    view.getBigUint64(VERSION_AT, true),
    (BigInt(view.getUint32(COUNT_AT, true)) << 32n) | BigInt(view.getUint32(CONTENT_BYTES_AT, true)),
    (BigInt(view.getUint16(BLOCK_AT, true)) << 48n) | (BigInt(view.getUint16(KIND_AT, true)) << 32n) | BigInt(view.getUint32(4, true)),
    BigInt(view.getUint16(NAME_BYTES_AT, true)),
    BigInt(view.getUint32(WRITTEN_AT, true)),
  ])
  const content = entry.subarray(ENTRY_BYTES, ENTRY_BYTES + bytes)
  view.setBigUint64(CHECK_AT, xxh3(content, xxh3(new Uint8Array(words.buffer))), true)
  return true
}
