/** Series names are used again and again: their bytes and block are computed once and remembered. */
import { blockOf, encodeSeries } from '@thermocline/protocol'
import { SERIES_CACHE_ENTRIES } from './constants.ts'

export interface SeriesKey {
  readonly name: string
  readonly bytes: Uint8Array
  readonly block: number
}

export class SeriesCache {
  private readonly known = new Map<string, SeriesKey>()

  /** @throws ThermoclineError `invalid_argument` if the name is empty or longer than 512 bytes. */
  get(name: string): SeriesKey {
    const found = this.known.get(name)
    if (found !== undefined) return found
    const bytes = encodeSeries(name)
    const key: SeriesKey = { name, bytes, block: blockOf(bytes) }
    if (this.known.size >= SERIES_CACHE_ENTRIES) this.known.clear()
    this.known.set(name, key)
    return key
  }
}
