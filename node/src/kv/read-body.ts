/** Checks the bodies of reads where they arrive (layouts: protocol/src/client-messages.ts). */
import {
  ByteReader,
  blockOf,
  DecodeError,
  formatRecordId,
  ID_BYTES,
  MAX_GET_IDS,
  MAX_PAGE_VERSIONS,
  MAX_SERIES_BYTES,
  MAX_SLICE,
  Operation,
  recordIdAt,
} from '@thermocline/protocol'

const reader = new ByteReader()
/** Ids of a get, to be sorted: as bytes, as they sort fastest, and as words that can be compared without making objects. */
const idBytes = new Uint8Array(MAX_GET_IDS * ID_BYTES)
const idNumbers = new BigUint64Array(idBytes.buffer)
const idWords = new Uint32Array(idBytes.buffer)

/** The block that a get, scan or page-version request reads, or in words what is wrong with it. */
export function checkReadBody(operation: number, body: Uint8Array): number | string {
  try {
    return check(operation, body)
  } catch (error) {
    if (error instanceof DecodeError) return `body: ${error.message}`
    throw error
  }
}

function check(operation: number, body: Uint8Array): number | string {
  reader.reset(body)
  const seriesLength = reader.u16()
  if (seriesLength < 1 || seriesLength > MAX_SERIES_BYTES) return `series: has ${seriesLength} bytes; expected 1 to ${MAX_SERIES_BYTES}`
  const series = reader.take(seriesLength)
  const wrong = operation === Operation.scan ? checkScan() : operation === Operation.get ? checkIds() : checkSlices()
  if (wrong !== undefined) return wrong
  reader.finish('request')
  return blockOf(series)
}

function checkScan(): string | undefined {
  const fromHigh = reader.view.getUint32(reader.skip(4))
  const fromLow = reader.view.getUint32(reader.skip(4))
  const toHigh = reader.view.getUint32(reader.skip(4))
  const toLow = reader.view.getUint32(reader.skip(4))
  if (fromHigh > toHigh || (fromHigh === toHigh && fromLow > toLow)) return 'from: is after to; expected from ≤ to, in either direction'
  const limit = reader.u32()
  if (limit < 1) return `limit: ${limit}; expected at least 1`
  const reverse = reader.u8()
  return reverse > 1 ? `reverse: ${reverse}; expected 0 or 1` : undefined
}

function checkIds(): string | undefined {
  const count = reader.u16()
  if (count < 1 || count > MAX_GET_IDS) return `ids: ${count} of them; expected 1 to ${MAX_GET_IDS}`
  const ids = reader.take(count * ID_BYTES)
  return count === 1 ? undefined : findRepeated(ids, count)
}

/** A record that is named often would be answered as often: an answer of any length from a request of few bytes. */
function findRepeated(ids: Uint8Array, count: number): string | undefined {
  idBytes.set(ids)
  idNumbers.subarray(0, count).sort()
  for (let i = 2; i < 2 * count; i += 2) {
    if (idWords[i] !== idWords[i - 2] || idWords[i + 1] !== idWords[i - 1]) continue
    const id = recordIdAt(new DataView(idBytes.buffer), (i / 2) * ID_BYTES)
    return `ids: ${formatRecordId(id)} is named more than once; expected each id once`
  }
  return undefined
}

function checkSlices(): string | undefined {
  const count = reader.u16()
  if (count < 1 || count > MAX_PAGE_VERSIONS) return `slices: ${count} of them; expected 1 to ${MAX_PAGE_VERSIONS}`
  for (let i = 0; i < count; i++) {
    const slice = reader.u48()
    if (slice > MAX_SLICE) return `slices[${i}]: ${slice}; expected at most ${MAX_SLICE}`
  }
  return undefined
}
