/** Which records of one volume's log are durable, seen from outside: which write carries each, and how far the log has come. */
import type { SharedLog } from '../../src/wal/shared-log.ts'

/** Anything that a log write carries. */
export interface Carried {
  /** The log write that carries it. */
  readonly write: number
}

export class DurableRecords<T extends Carried> {
  /** Records of the running life that may not be durable yet, in the order of their writes. */
  private pending: T[] = []
  private head = 0
  /** Records of ended lives whose writes had not returned. */
  private lost: T[] = []
  private log: SharedLog | undefined

  /** Follows the log of a new life: what replay finds of the lives before is durable then, whatever becomes of this one. */
  follow(log: SharedLog, onDurable: (record: T) => void): void {
    this.log = log
    const open = log.open.bind(log)
    log.open = (start) => {
      open(start)
      this.replayed(start.lastWrite, onDurable)
    }
  }

  add(record: T): void {
    this.pending.push(record)
  }

  /** Hands over the records that have become durable since the last call. */
  settle(onDurable: (record: T) => void): void {
    if (this.head === this.pending.length) return
    const until = this.log?.durableWrite ?? 0
    while (this.head < this.pending.length && (this.pending[this.head] as T).write <= until) onDurable(this.pending[this.head++] as T)
    if (this.head < this.pending.length) return
    this.pending = []
    this.head = 0
  }

  /** The life has ended. A write that was under way may be whole on the disk all the same: replay will tell. */
  crash(onDurable: (record: T) => void): void {
    this.settle(onDurable)
    this.log = undefined
    this.lost.push(...this.pending.slice(this.head))
    this.pending = []
    this.head = 0
  }

  /** Replay has found every write up to `lastWrite`, and made sure that they are durable. */
  private replayed(lastWrite: number, onDurable: (record: T) => void): void {
    for (const record of this.lost) if (record.write <= lastWrite) onDurable(record)
    this.lost = []
  }
}
