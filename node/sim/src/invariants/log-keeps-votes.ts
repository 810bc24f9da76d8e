/**
 * A log segment is written anew only when no promise or accept of an open instance stands in it alone (⚖10): a crash at
 * any later moment would lose that vote.
 */
import type { Engine } from '../../../src/engine/mod.ts'
import type { BlockState } from '../../../src/paxos/block-state.ts'
import type { Invariant, Vote } from '../invariant.ts'
import { mapEntry } from '../map-entry.ts'
import { Violation } from '../violation.ts'
import type { SimVolume } from '../volume.ts'

/** The newest durable writes that carry the votes of a block's newest instance. */
interface Held {
  instance: number
  state: BlockState
  promise: Vote | undefined
  accept: Vote | undefined
}

export class LogKeepsVotes implements Invariant {
  readonly name = 'log-keeps-votes'
  private readonly held = new Map<SimVolume, Map<number, Held>>()

  onDurableVote(vote: Vote): void {
    const { volume, block, instance, state } = vote
    const blocks = mapEntry(this.held, volume, () => new Map<number, Held>())
    const held = mapEntry(blocks, block, () => ({ instance, state, promise: undefined, accept: undefined }))
    if (instance < held.instance) return
    if (instance > held.instance) Object.assign(held, { instance, promise: undefined, accept: undefined })
    held.state = state
    if (vote.kind === 'accept') held.accept = vote
    else held.promise = vote
  }

  onRecycled(replica: number, volume: SimVolume, writes: ReadonlySet<number>, engine: Engine): void {
    for (const { instance, state, promise, accept } of this.held.get(volume)?.values() ?? []) {
      // A later process may have learned it and never voted in the block: `state` is of the one that voted.
      if (Math.max(state.chosen, engine.appliedIndex(state.block)) >= instance) continue
      // An accept is a promise too.
      const isPromiseOpen = promise !== undefined && (accept === undefined || promise.round > accept.round)
      for (const vote of [accept, isPromiseOpen ? promise : undefined]) {
        if (vote === undefined || !writes.has(vote.write)) continue
        throw new Violation(
          this.name,
          `replica ${replica} frees write ${vote.write}, which alone holds its ${vote.kind} of round ${vote.round} in block ${vote.block} instance ${instance}`,
        )
      }
    }
  }
}
