/** What a simulated machine keeps when its process ends: replaced as a whole when the machine loses its disk. */
import { compareIncarnations, type Incarnation } from '@thermocline/protocol'
import { createMemoryStore, type MemoryStore } from '../../src/engine/mod.ts'
import { SimDisk } from './disk.ts'
import { DurableRecords } from './durable-records.ts'
import type { Vote } from './invariant.ts'
import { mapEntry } from './map-entry.ts'
import type { Scheduler } from './scheduler.ts'
import { SegmentContents } from './segment-contents.ts'

/** What the log remembers of a peer's volume. */
interface Memory {
  readonly replica: number
  readonly incarnation: Incarnation
  /** The peer's log write that it says was durable. */
  readonly peerWrite: number
  readonly write: number
}

/** A replica's incarnation, named in the log. */
interface Name {
  readonly replica: number
  readonly incarnation: Incarnation
  readonly write: number
}

export class SimVolume {
  readonly disk: SimDisk
  readonly store: MemoryStore
  /** The incarnation's nonce, if a process formats it. */
  readonly freshNonce: string
  readonly votes = new DurableRecords<Vote>()
  readonly names = new DurableRecords<Name>()
  readonly memories = new DurableRecords<Memory>()
  /** What the log durably remembers of each replica. */
  readonly durableMemories = new Map<number, Memory>()
  /** The newest incarnation of each replica that the log durably names. */
  readonly durableNames = new Map<number, Incarnation>()
  /** Values that its processes have seen chosen one by one, by block and index. */
  readonly seenChosen: Map<number, Map<number, string>>
  readonly segments = new SegmentContents()

  constructor(scheduler: Scheduler, from?: SimVolume) {
    this.disk = from?.disk ?? new SimDisk(scheduler)
    this.store = from?.store ?? createMemoryStore()
    this.seenChosen = from?.seenChosen ?? new Map()
    this.freshNonce = from?.freshNonce ?? scheduler.random.hex(8)
  }

  readonly onDurableName = ({ replica, incarnation }: Name): void => {
    const known = this.durableNames.get(replica)
    if (known === undefined || compareIncarnations(known, incarnation) < 0) this.durableNames.set(replica, incarnation)
  }

  readonly onDurableMemory = (memory: Memory): void => {
    this.durableMemories.set(memory.replica, memory)
  }

  noteChosen(block: number, index: number, value: string): void {
    mapEntry(this.seenChosen, block, () => new Map<number, string>()).set(index, value)
  }
}
