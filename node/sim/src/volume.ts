/** What a simulated machine keeps when its process ends: replaced as a whole when the machine loses its disk. */
import { createMemoryStore, type MemoryStore } from '../../src/engine/mod.ts'
import { SimDisk } from './disk.ts'
import { DurableVotes } from './durable-votes.ts'
import type { Scheduler } from './scheduler.ts'
import { SegmentContents } from './segment-contents.ts'

export class SimVolume {
  readonly disk: SimDisk
  readonly store: MemoryStore
  /** The incarnation's nonce, if a process formats it. */
  readonly freshNonce: string
  readonly votes = new DurableVotes()
  readonly segments = new SegmentContents()

  constructor(scheduler: Scheduler, from?: SimVolume) {
    this.disk = from?.disk ?? new SimDisk(scheduler)
    this.store = from?.store ?? createMemoryStore()
    this.freshNonce = from?.freshNonce ?? scheduler.random.hex(8)
  }
}
