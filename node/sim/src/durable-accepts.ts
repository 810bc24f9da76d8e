/**
 * Invariant `chosen-is-durable`: when a value is first applied anywhere, a majority of the machines has accepted it
 * durably (⚖4). Looks at each log from outside: which write carries an accept, and how far the log is durable.
 */
import type { ChosenEntry } from '../../src/paxos/core.ts'
import type { ProcessTable } from '../../src/paxos/processes.ts'
import type { SharedLog } from '../../src/wal/shared-log.ts'
import { Violation } from './oracle.ts'

/** The accepts of one machine, over all its lives. */
export class DurableAccepts {
  private readonly durable = new Set<string>()
  /** Accepts of the running life that may not be durable yet, by write. */
  private pending: { key: string; write: number }[] = []
  /** Accepts of ended lives whose writes had not returned. */
  private lost: { key: string; write: number }[] = []
  private log: SharedLog | undefined

  /** Follows the log of a new life. */
  watch(log: SharedLog, processes: ProcessTable): void {
    this.log = log
    const accept = log.accept.bind(log)
    log.accept = (block, instance, round, process, prevProcess, prevCounter, valueProcess, valueCounter, entry) => {
      const write = accept(block, instance, round, process, prevProcess, prevCounter, valueProcess, valueCounter, entry)
      this.pending.push({ key: keyOf(block, instance, processes.format(valueProcess), valueCounter), write })
      return write
    }
  }

  /** The life has ended. A write that was under way may be whole on the disk all the same: replay will tell. */
  crash(): void {
    this.settle()
    this.log = undefined
    this.lost.push(...this.pending)
    this.pending = []
  }

  /** Replay has found every write up to `lastWrite`, and made sure that they are durable. */
  restarted(lastWrite: number): void {
    for (const accept of this.lost) if (accept.write <= lastWrite) this.durable.add(accept.key)
    this.lost = []
  }

  has(key: string): boolean {
    this.settle()
    return this.durable.has(key)
  }

  private settle(): void {
    const until = this.log?.durableWrite ?? 0
    const isDurable = (accept: { write: number }): boolean => accept.write <= until
    for (const accept of this.pending) if (isDurable(accept)) this.durable.add(accept.key)
    this.pending = this.pending.filter((accept) => !isDurable(accept))
  }
}

export function checkDurableMajority(machines: readonly DurableAccepts[], chosen: ChosenEntry, processes: ProcessTable): void {
  const { block, index, valueProcess, valueCounter } = chosen
  const key = keyOf(block, index, processes.format(valueProcess), valueCounter)
  const count = machines.filter((machine) => machine.has(key)).length
  if (count * 2 > machines.length) return
  throw new Violation('chosen-is-durable', `${key} was applied, but only ${count} of ${machines.length} replicas hold it durably`)
}

function keyOf(block: number, instance: number, process: string, counter: number): string {
  return `block ${block} instance ${instance} value ${process}#${counter}`
}
