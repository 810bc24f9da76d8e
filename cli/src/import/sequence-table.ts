/**
 * Counts how often each (series, ms) has come, so that ids are `<ms>-<count>` and the same file always gets the same ids.
 *
 * Only 53 bits of a hash are kept per pair, in an open-addressed table of plain arrays: 20 bytes per pair, whatever the
 * series are. Two pairs with one hash share a counter; that skips a number of each and loses nothing.
 */
import { MAX_ID_SEQ, ThermoclineError } from '@thermocline/protocol'
import xxhash from 'xxhash-wasm'

const { h64 } = await xxhash()
const FIRST_SLOTS = 1 << 12

export class SequenceTable {
  private keys = new Float64Array(FIRST_SLOTS)
  private counts = new Uint32Array(FIRST_SLOTS)
  private used = 0

  /** The next sequence number of a pair. @throws ThermoclineError `invalid_argument` after 65,536 records of one ms. */
  next(series: string, ms: number): number {
    if (this.used * 2 >= this.keys.length) this.grow()
    const slot = this.slotOf(keyOf(series, ms))
    const count = this.counts[slot] as number
    if (count > MAX_ID_SEQ) {
      throw new ThermoclineError('invalid_argument', `more than ${MAX_ID_SEQ + 1} records of series ${JSON.stringify(series)} at ${ms}`)
    }
    this.counts[slot] = count + 1
    return count
  }

  private slotOf(key: number): number {
    const mask = this.keys.length - 1
    let slot = key % this.keys.length
    while (this.keys[slot] !== 0 && this.keys[slot] !== key) slot = (slot + 1) & mask
    if (this.keys[slot] === 0) {
      this.keys[slot] = key
      this.used++
    }
    return slot
  }

  private grow(): void {
    const { keys, counts } = this
    this.keys = new Float64Array(keys.length * 2)
    this.counts = new Uint32Array(keys.length * 2)
    this.used = 0
    keys.forEach((key, slot) => {
      if (key !== 0) this.counts[this.slotOf(key)] = counts[slot] as number
    })
  }
}

function keyOf(series: string, ms: number): number {
  return Number(h64(`${ms} ${series}`) >> 11n) || 1
}
