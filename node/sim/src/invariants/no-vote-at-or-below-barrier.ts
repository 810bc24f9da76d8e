/** A volume that learns before it votes promises and accepts only in instances above its block's barrier (⚖16). */
import type { BlockState } from '../../../src/paxos/block-state.ts'
import type { Invariant, Vote } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class NoVoteAtOrBelowBarrier implements Invariant {
  readonly name = 'no-vote-at-or-below-barrier'

  onVote({ kind, replica, block, instance, state }: Vote): void {
    const barrier = barrierOf(state)
    if (instance > barrier) return
    throw new Violation(
      this.name,
      `replica ${replica} votes (${kind}) in instance ${instance} of block ${block}; its barrier is ${barrier}`,
    )
  }
}

/** 0: the volume has voted from the start. */
function barrierOf(state: BlockState): number {
  return 'barrier' in state ? (state.barrier as number) : 0
}
