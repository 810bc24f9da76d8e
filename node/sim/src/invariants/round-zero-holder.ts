/** Round 0 of instance i is voted for only if its proposer is the very process that made the value chosen in i−1 (⚖2). */
import type { BallotLedger } from '../ballot-ledger.ts'
import type { Invariant, Vote } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class RoundZeroHolder implements Invariant {
  readonly name = 'round-zero-holder'
  private readonly ledger: BallotLedger

  constructor(ledger: BallotLedger) {
    this.ledger = ledger
  }

  onVote({ replica, block, instance, round, process }: Vote): void {
    if (round > 0) return
    const before = this.ledger.instance(block, instance - 1).chosen
    if (before?.value.startsWith(`${process}#`) === true) return
    throw new Violation(
      this.name,
      `replica ${replica} votes for round 0 of process ${process} in block ${block} instance ${instance}; the value before it is ${before?.value ?? 'not chosen'}`,
    )
  }
}
