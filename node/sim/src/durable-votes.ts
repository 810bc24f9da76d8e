/** Which votes of one volume are durable, seen from outside: which write carries each, and how far its log has come. */
import type { SharedLog } from '../../src/wal/shared-log.ts'
import type { Vote } from './invariant.ts'

export class DurableVotes {
  /** Votes of the running life that may not be durable yet, in the order of their writes. */
  private pending: Vote[] = []
  private head = 0
  /** Votes of ended lives whose writes had not returned. */
  private lost: Vote[] = []
  private log: SharedLog | undefined

  /** Follows the log of a new life: what replay finds of the lives before is durable then, whatever becomes of this one. */
  follow(log: SharedLog, onDurable: (vote: Vote) => void): void {
    this.log = log
    const open = log.open.bind(log)
    log.open = (start) => {
      open(start)
      this.replayed(start.lastWrite, onDurable)
    }
  }

  add(vote: Vote): void {
    this.pending.push(vote)
  }

  /** Hands over the votes that have become durable since the last call. */
  settle(onDurable: (vote: Vote) => void): void {
    if (this.head === this.pending.length) return
    const until = this.log?.durableWrite ?? 0
    while (this.head < this.pending.length && (this.pending[this.head] as Vote).write <= until) onDurable(this.pending[this.head++] as Vote)
    if (this.head < this.pending.length) return
    this.pending = []
    this.head = 0
  }

  /** The life has ended. A write that was under way may be whole on the disk all the same: replay will tell. */
  crash(onDurable: (vote: Vote) => void): void {
    this.settle(onDurable)
    this.log = undefined
    this.lost.push(...this.pending.slice(this.head))
    this.pending = []
    this.head = 0
  }

  /** Replay has found every write up to `lastWrite`, and made sure that they are durable. */
  private replayed(lastWrite: number, onDurable: (vote: Vote) => void): void {
    for (const vote of this.lost) if (vote.write <= lastWrite) onDurable(vote)
    this.lost = []
  }
}
