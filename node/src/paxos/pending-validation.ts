/**
 * A validation that waits at this replica for a round: many series, each of a block. It is answered as soon as its round is over;
 * series whose block has not applied far enough by then are answered as "later".
 */
import type { NodeRequest } from '../doors/node-request.ts'

/** A need that is never met: the block had no majority of voters. */
export const NEVER = -1

export class PendingValidation {
  /** Per series. */
  readonly blocks: Uint16Array
  /** Per series, what its block must have applied; set by its round. */
  readonly needs: Float64Array
  readonly request: NodeRequest
  readonly deadlineMs: number

  constructor(blocks: Uint16Array, request: NodeRequest, deadlineMs: number) {
    this.blocks = blocks
    this.needs = new Float64Array(blocks.length)
    this.request = request
    this.deadlineMs = deadlineMs
  }
}
