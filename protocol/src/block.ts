/** Series → block: `xxHash64(series bytes, seed 0) >> 48`. The hash is part of the data format and never changes. */
import xxhash from 'xxhash-wasm'
import { MAX_SERIES_BYTES, MIN_SERIES_BYTES } from './constants.ts'
import { ThermoclineError } from './errors.ts'

const { h64Raw } = await xxhash()
const encoder = new TextEncoder()

/** The block of a series, 0…65535. */
export function blockOf(series: Uint8Array): number {
  return Number(h64Raw(series) >> 48n)
}

/** Bytes of a series name. @throws ThermoclineError `invalid_argument` if it is empty or longer than 512 bytes. */
export function encodeSeries(series: string): Uint8Array {
  const bytes = encoder.encode(series)
  if (bytes.length < MIN_SERIES_BYTES || bytes.length > MAX_SERIES_BYTES) {
    throw new ThermoclineError(
      'invalid_argument',
      `series: ${JSON.stringify(series.slice(0, 40))} has ${bytes.length} bytes in UTF-8; expected ${MIN_SERIES_BYTES} to ${MAX_SERIES_BYTES}`,
    )
  }
  return bytes
}

/** 32 bits of the series' hash that its block does not show: tells the series of one block apart, with collisions. */
export function seriesFingerprint(series: Uint8Array): number {
  return Number(h64Raw(series) & 0xffffffffn)
}

/** The slice an id's milliseconds fall in. */
export function sliceOf(ms: number, sliceDurationMs: number): number {
  return Math.floor(ms / sliceDurationMs)
}
