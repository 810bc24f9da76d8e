/** A strong read that waits at this replica: for a round, then until its block is applied far enough. */
import type { NodeRequest } from '../doors/node-request.ts'

export class PendingRead {
  readonly block: number
  readonly request: NodeRequest
  readonly deadlineMs: number
  /** Index that must be applied before it is answered; set by its round. */
  need = 0
  sinceMs = 0
  settleAsked = 0
  /** Too few of those who answered a round vote in its block: it takes rounds of its own kind from then on. */
  isScarce = false

  /** What its round has named did not come: the next one waits for all who are there. */
  isDoubtful = false

  constructor(block: number, request: NodeRequest, deadlineMs: number) {
    this.block = block
    this.request = request
    this.deadlineMs = deadlineMs
  }
}
