/** Checks the bodies of reads where they arrive (layouts: protocol/src/client-messages.ts). */
import { ByteReader, blockOf, DecodeError, MAX_GET_IDS, MAX_PAGE_VERSIONS, MAX_SERIES_BYTES, Operation } from '@thermocline/protocol'

const reader = new ByteReader()

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
  const wrong = operation === Operation.scan ? checkScan() : checkList(operation)
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

function checkList(operation: number): string | undefined {
  const count = reader.u16()
  const [name, most, bytes] = operation === Operation.get ? (['ids', MAX_GET_IDS, 8] as const) : (['slices', MAX_PAGE_VERSIONS, 6] as const)
  if (count < 1 || count > most) return `${name}: ${count} of them; expected 1 to ${most}`
  reader.skip(count * bytes)
  return undefined
}
