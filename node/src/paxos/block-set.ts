/** A set of blocks: one bit for each of the BLOCK_COUNT, least significant first. */
import { BLOCK_COUNT } from '@thermocline/protocol'

export const BLOCK_SET_BYTES = BLOCK_COUNT / 8

export class BlockSet {
  readonly bits = new Uint8Array(BLOCK_SET_BYTES)
  size = 0

  static full(): BlockSet {
    const set = new BlockSet()
    set.bits.fill(0xff)
    set.size = BLOCK_COUNT
    return set
  }

  /** A set of BLOCK_SET_BYTES. */
  static of(bits: Uint8Array): BlockSet {
    const set = new BlockSet()
    set.addAll(bits)
    return set
  }

  get isFull(): boolean {
    return this.size === BLOCK_COUNT
  }

  has(block: number): boolean {
    return ((this.bits[block >> 3] as number) & (1 << (block & 7))) !== 0
  }

  add(block: number): void {
    if (this.has(block)) return
    this.bits[block >> 3] = (this.bits[block >> 3] as number) | (1 << (block & 7))
    this.size++
  }

  delete(block: number): void {
    if (!this.has(block)) return
    this.bits[block >> 3] = (this.bits[block >> 3] as number) & ~(1 << (block & 7))
    this.size--
  }

  addRange(first: number, last: number): void {
    for (let block = first; block <= last; block++) this.add(block)
  }

  /** The set as runs of blocks: first and last of each, in order. */
  ranges(): number[] {
    const ranges: number[] = []
    for (let block = 0; block < BLOCK_COUNT; block++) {
      if (!this.has(block)) continue
      const first = block
      while (block + 1 < BLOCK_COUNT && this.has(block + 1)) block++
      ranges.push(first, block)
    }
    return ranges
  }

  /** Adds every block of a set of BLOCK_SET_BYTES. */
  addAll(bits: Uint8Array): void {
    for (let at = 0; at < BLOCK_SET_BYTES; at++) {
      const fresh = (bits[at] as number) & ~(this.bits[at] as number)
      if (fresh === 0) continue
      this.bits[at] = (this.bits[at] as number) | fresh
      for (let left = fresh; left !== 0; left &= left - 1) this.size++
    }
  }
}
