/** When a value is first applied anywhere, a majority of the volumes holds it durably, accepted in one ballot (⚖4). */
import { type BallotLedger, formatVoter } from '../ballot-ledger.ts'
import type { Applied, Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class ChosenIsDurable implements Invariant {
  readonly name = 'chosen-is-durable'
  private readonly ledger: BallotLedger

  constructor(ledger: BallotLedger) {
    this.ledger = ledger
  }

  onApplied({ replica, block, index, value }: Applied): void {
    const { chosen, ballots } = this.ledger.instance(block, index)
    if (chosen !== undefined) return
    const held = ballots.map(
      (ballot) => `${ballot.value || 'nothing'} in round ${ballot.round} by ${ballot.accepted.map(formatVoter).join(' and ')}`,
    )
    throw new Violation(
      this.name,
      `replica ${replica} applied ${value} as ${index} of block ${block}, but no majority holds it durably: ${held.join(', ') || 'no ballot'}`,
    )
  }
}
