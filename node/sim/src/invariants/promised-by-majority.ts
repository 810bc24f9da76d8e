/** Nobody accepts a ballot above round 0 before a majority has durably promised it: a promise counts once durable (⚖4). */
import { type BallotLedger, formatVoter } from '../ballot-ledger.ts'
import type { Invariant, Vote } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class PromisedByMajority implements Invariant {
  readonly name = 'promised-by-majority'
  private readonly ledger: BallotLedger

  constructor(ledger: BallotLedger) {
    this.ledger = ledger
  }

  onVote({ kind, replica, block, instance, round, ballot }: Vote): void {
    if (kind === 'promise' || round === 0 || this.ledger.isMajority(ballot.promised)) return
    throw new Violation(
      this.name,
      `replica ${replica} accepts round ${round} of block ${block} instance ${instance}; it is durably promised by ${ballot.promised.map(formatVoter).join(', ') || 'nobody'} only`,
    )
  }
}
