/** Blocks that wait to be copied from one peer. They are taken in the order of their numbers: neighbours lie side by side in its store. */
import { BLOCK_COUNT } from '@thermocline/protocol'
import { BlockSet } from '../paxos/block-set.ts'

export class CopyQueue {
  private readonly blocks = new BlockSet()
  /** The next batch begins here, or behind. */
  private next = 0
  /** When the first of those that wait came, or the last batch was taken. */
  sinceMs = 0

  get size(): number {
    return this.blocks.size
  }

  has(block: number): boolean {
    return this.blocks.has(block)
  }

  add(block: number, nowMs: number): void {
    if (this.blocks.size === 0) this.sinceMs = nowMs
    this.blocks.add(block)
  }

  /** The next batch begins with this block. */
  beginAt(block: number): void {
    this.next = block
  }

  /** Takes the next blocks, at most so many, ascending; the next batch goes on behind them. */
  take(most: number, nowMs: number): number[] {
    const taken: number[] = []
    if (this.blocks.size === 0) return taken
    while (!this.hasFrom(this.next)) this.next = 0
    for (let block = this.next; block < BLOCK_COUNT && taken.length < most; block++) if (this.blocks.has(block)) taken.push(block)
    for (const block of taken) this.blocks.delete(block)
    this.next = (taken.at(-1) as number) + 1
    this.sinceMs = nowMs
    return taken
  }

  private hasFrom(first: number): boolean {
    for (let block = first; block < BLOCK_COUNT; block++) if (this.blocks.has(block)) return true
    return false
  }

  /** Takes all of them. */
  clear(): number[] {
    this.next = 0
    return this.take(BLOCK_COUNT, 0)
  }
}
