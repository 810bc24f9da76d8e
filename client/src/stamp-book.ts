/**
 * Per block, the highest log index that any reply has named: the stamp of the next write (⚖9). Writes to a block that no
 * reply has named yet wait here, and are asked for together at the end of the tick.
 */
import { BLOCK_COUNT } from '@thermocline/protocol'
import type { WriteCall } from './calls.ts'

const UNKNOWN = -1

export class StampBook {
  private readonly indexes = new Float64Array(BLOCK_COUNT).fill(UNKNOWN)
  private readonly waiting = new Map<number, WriteCall[]>()
  /** Blocks not yet asked for. */
  private unasked: number[] = []

  /** The index known of a block, −1 if none is. */
  of(block: number): number {
    return this.indexes[block] as number
  }

  note(block: number, index: number): void {
    if (block >= 0 && index > (this.indexes[block] as number)) this.indexes[block] = index
  }

  forget(block: number): void {
    this.indexes[block] = UNKNOWN
  }

  /** Lets `call` wait for the index of its block. Returns true if somebody has to ask. */
  wait(call: WriteCall): boolean {
    const waiters = this.waiting.get(call.block)
    if (waiters !== undefined) {
      waiters.push(call)
      return false
    }
    this.waiting.set(call.block, [call])
    this.unasked.push(call.block)
    return true
  }

  /** The blocks to ask for now. */
  takeUnasked(): number[] {
    const blocks = this.unasked
    this.unasked = []
    return blocks
  }

  /** Ends the wait for a block. */
  release(block: number): WriteCall[] {
    const waiters = this.waiting.get(block) ?? []
    this.waiting.delete(block)
    return waiters
  }
}
