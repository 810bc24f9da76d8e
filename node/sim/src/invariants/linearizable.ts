/**
 * Every answer names an index. A write takes effect at its index; a read sees the block as it is after the index it
 * names. The order of indexes is a witness: it must agree with real time, and replaying the decided entries through the
 * model must give every answer that a client got. (A history with such a witness is linearizable; one without is a bug
 * in the store or in what it answers.)
 */
import type { ModelBlock } from '../../../src/engine/model.ts'
import type { HistoryRecord, ReadRecord } from '../history.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class Linearizable implements Invariant {
  readonly name = 'linearizable'
  /** Reads of the block being replayed, by index. */
  private reads: ReadRecord[] = []
  private next = 0

  onBlock(block: number, records: readonly HistoryRecord[], decided: number): void {
    this.checkRealTime(block, records)
    this.reads = records.filter((record) => record.kind === 'read').toSorted((a, b) => a.index - b.index)
    this.next = 0
    const last = this.reads.at(-1)
    if (last !== undefined && last.index > decided)
      throw new Violation(this.name, `block ${block}: a read names index ${last.index}, but only ${decided} were decided`)
  }

  /** What ended before something began comes before it. */
  private checkRealTime(block: number, records: readonly HistoryRecord[]): void {
    const finished = records.filter((record) => record.index > 0).toSorted((a, b) => a.endMs - b.endMs)
    const started = records.filter((record) => record.index > 0 || record.kind === 'read').toSorted((a, b) => a.startMs - b.startMs)
    let at = 0
    let floor = 0
    for (const record of started) {
      for (; at < finished.length && (finished[at] as HistoryRecord).endMs < record.startMs; at++)
        floor = Math.max(floor, (finished[at] as HistoryRecord).index)
      const isSecond = record.kind === 'write' && record.index === floor && sharesEntry(record.index, finished, at)
      if (record.index >= floor && !isSecond) continue
      throw new Violation(
        this.name,
        `block ${block}: a ${record.kind} that began at ${record.startMs.toFixed(2)} ms took place at index ${record.index}, but index ${floor} had been answered before`,
      )
    }
  }

  onState(block: number, model: ModelBlock): void {
    for (; this.reads[this.next]?.index === model.index; this.next++) {
      const read = this.reads[this.next] as ReadRecord
      const mismatch = read.mismatch(model)
      if (mismatch !== undefined) throw new Violation(this.name, `block ${block} at index ${read.index}: ${mismatch}`)
    }
  }
}

/** Something that ended before has this index: a read may, another write may not. */
function sharesEntry(index: number, finished: readonly HistoryRecord[], before: number): boolean {
  return finished.slice(0, before).some((other) => other.index === index)
}
