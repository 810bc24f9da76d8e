/**
 * A replica never votes below what it has promised in this life, or durably in an earlier one (⚖4); and a process that
 * has replayed its log knows of every such vote in the open instance (⚖10: nothing of it may have been freed).
 */
import type { Core } from '../../../src/paxos/core.ts'
import type { ProcessRef, ProcessTable } from '../../../src/paxos/processes.ts'
import type { Invariant, Vote } from '../invariant.ts'
import { mapEntry } from '../map-entry.ts'
import { Violation } from '../violation.ts'
import type { SimVolume } from '../volume.ts'

/** Highest ballot promised or accepted in a block's newest instance, and the highest accepted. */
interface Bound {
  instance: number
  round: number
  process: ProcessRef
  acceptedRound: number
  acceptedProcess: ProcessRef
}

type Bounds = Map<number, Bound>

const NOTHING = { round: -1, process: 0, acceptedRound: -1, acceptedProcess: 0 }

export class PromiseKept implements Invariant {
  readonly name = 'promise-kept'
  private readonly processes: ProcessTable
  private readonly durable = new Map<SimVolume, Bounds>()
  /** Of the running life, durable or not. */
  private readonly seen = new Map<SimVolume, Bounds>()

  constructor(processes: ProcessTable) {
    this.processes = processes
  }

  onCrash(volume: SimVolume): void {
    this.seen.delete(volume)
  }

  onVote(vote: Vote): void {
    const { volume, replica, block, instance, kind, round, process } = vote
    const bounds = [this.seen.get(volume)?.get(block), this.durable.get(volume)?.get(block)].filter((bound) => bound?.instance === instance)
    // A vote that is copied forward in the log is not cast again.
    const isCopy = kind === 'accept' && bounds.some((bound) => bound?.acceptedRound === round && bound.acceptedProcess === process)
    for (const bound of bounds) {
      if (bound === undefined || isCopy) continue
      if (this.processes.compareBallots(round, process, bound.round, bound.process) >= 0) continue
      throw new Violation(
        this.name,
        `replica ${replica} votes (${kind}) for round ${round} of ${this.processes.format(process)} in block ${block} instance ${instance}; it had promised round ${bound.round} of ${this.processes.format(bound.process)}`,
      )
    }
    this.raise(this.seen, vote)
  }

  onDurableVote(vote: Vote): void {
    this.raise(this.durable, vote)
  }

  onServing(replica: number, volume: SimVolume, core: Core): void {
    for (const [block, bound] of this.durable.get(volume) ?? []) {
      const state = core.peek(block)
      if (state === undefined || state.chosen >= bound.instance) continue
      const isKnown =
        state.chosen === bound.instance - 1 && state.promisedRound >= bound.round && state.acceptedRound >= bound.acceptedRound
      if (isKnown) continue
      throw new Violation(
        this.name,
        `replica ${replica} had promised round ${bound.round} and accepted ${bound.acceptedRound} in block ${block} instance ${bound.instance}; after a restart it is at ${state.chosen + 1}, promised ${state.promisedRound}, accepted ${state.acceptedRound}`,
      )
    }
  }

  private raise(all: Map<SimVolume, Bounds>, { volume, block, instance, kind, round, process }: Vote): void {
    const bounds = mapEntry(all, volume, () => new Map())
    const bound = mapEntry(bounds, block, () => ({ instance, ...NOTHING }))
    if (bound.instance > instance) return
    if (bound.instance < instance) Object.assign(bound, { instance, ...NOTHING })
    if (this.processes.compareBallots(round, process, bound.round, bound.process) > 0) Object.assign(bound, { round, process })
    if (kind === 'accept') Object.assign(bound, { acceptedRound: round, acceptedProcess: process })
  }
}
