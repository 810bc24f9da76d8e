/**
 * Per block, the highest log index that any reply has named: the stamp of the next write (⚖9). Writes to a block that no
 * reply has named yet wait here, and are asked for together at the end of the tick.
 */
import { BLOCK_COUNT } from '@thermocline/protocol'
import type { WriteCall } from './calls.ts'

const UNKNOWN = -1
/** Blocks per page: a client that writes to few blocks, or one of many, keeps little. */
const PAGE_BLOCKS = 256

export class StampBook {
  /** Pages of indexes, made when a block of theirs becomes known. */
  private readonly pages = new Array<Float64Array | undefined>(BLOCK_COUNT / PAGE_BLOCKS)
  private readonly waiting = new Map<number, WriteCall[]>()
  /** Blocks not yet asked for. */
  private unasked: number[] = []

  /** The index known of a block, −1 if none is. */
  of(block: number): number {
    return this.pages[Math.floor(block / PAGE_BLOCKS)]?.[block % PAGE_BLOCKS] ?? UNKNOWN
  }

  note(block: number, index: number): void {
    if (block >= 0 && index > this.of(block)) this.set(block, index)
  }

  forget(block: number): void {
    this.set(block, UNKNOWN)
  }

  private set(block: number, index: number): void {
    const page = Math.floor(block / PAGE_BLOCKS)
    this.pages[page] ??= new Float64Array(PAGE_BLOCKS).fill(UNKNOWN)
    this.pages[page][block % PAGE_BLOCKS] = index
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
