/** A log segment is written anew only when every entry that stands in it alone is in the tables (⚖10): replay needs the rest. */
import type { Engine } from '../../../src/engine/mod.ts'
import type { BallotLedger } from '../ballot-ledger.ts'
import type { Invariant, Vote } from '../invariant.ts'
import { mapEntry } from '../map-entry.ts'
import { Violation } from '../violation.ts'
import type { SimVolume } from '../volume.ts'

export class LogKeepsUnflushed implements Invariant {
  readonly name = 'log-keeps-unflushed'
  private readonly ledger: BallotLedger
  /** Durable records of entries by block, in the order of the log. */
  private readonly entries = new Map<SimVolume, Map<number, Vote[]>>()

  constructor(ledger: BallotLedger) {
    this.ledger = ledger
  }

  onDurableEntry(record: Vote): void {
    const blocks = mapEntry(this.entries, record.volume, () => new Map<number, Vote[]>())
    mapEntry(blocks, record.block, () => []).push(record)
  }

  onRecycled(replica: number, volume: SimVolume, writes: ReadonlySet<number>, engine: Engine): void {
    const blocks = this.entries.get(volume)
    for (const [block, records] of blocks ?? []) {
      const state = (records.at(-1) as Vote).state
      const flushed = Math.max(engine.flushedIndex(block), state.snapshotIndex)
      const needed = records.filter((record) => record.instance > flushed)
      blocks?.set(block, needed.length > 0 ? needed : records.slice(-1))
      for (const { instance, value, write } of needed) {
        if (!writes.has(write) || instance > state.chosen || this.ledger.instance(block, instance).chosen?.value !== value) continue
        const isElsewhere = needed.some((other) => other.instance === instance && other.value === value && !writes.has(other.write))
        if (isElsewhere) continue
        throw new Violation(
          this.name,
          `replica ${replica} frees write ${write}, which alone holds entry ${instance} of block ${block}; its tables are at ${flushed}`,
        )
      }
    }
  }
}
