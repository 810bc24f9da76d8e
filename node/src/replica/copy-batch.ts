/** A batch of blocks that is being copied to this replica. */
import type { BatchContent } from '../paxos/batch-messages.ts'
import type { BlockState } from '../paxos/block-state.ts'

export interface Batch {
  readonly from: number
  readonly question: number
  /** Being copied; from the head on those alone that are in the snapshot. */
  states: BlockState[]
  contents: readonly BatchContent[]
  phase: 'asked' | 'logging' | 'pausing' | 'asking' | 'installing' | 'complete'
  part: number
  askedAtMs: number
  beginWrite: number
  /** Undefined until it has begun. */
  install: number | undefined
}

/** The peer did not give the batch: the next copy of its blocks is asked of another one, if there is one. */
export function deny({ from, states }: Batch): void {
  for (const state of states) state.copyDeniedBy |= 1 << from
}
