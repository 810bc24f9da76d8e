/**
 * Once a majority has durably accepted a ballot, its value is chosen: no higher ballot of the instance ever carries
 * another value, and nothing else is ever applied there. This is Paxos' central claim, seen before anybody applies.
 */
import type { BallotLedger } from '../ballot-ledger.ts'
import type { Applied, Invariant, Vote } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class ChosenNeverChanges implements Invariant {
  readonly name = 'chosen-never-changes'
  private readonly ledger: BallotLedger

  constructor(ledger: BallotLedger) {
    this.ledger = ledger
  }

  onVote({ kind, replica, block, instance, round, value }: Vote): void {
    if (kind === 'promise') return
    const { chosen } = this.ledger.instance(block, instance)
    if (chosen === undefined || round <= chosen.round || value === chosen.value) return
    throw new Violation(
      this.name,
      `replica ${replica} accepts ${value} in round ${round} of block ${block} instance ${instance}; ${chosen.value} was chosen in round ${chosen.round}`,
    )
  }

  onApplied({ replica, block, index, value }: Applied): void {
    const { chosen } = this.ledger.instance(block, index)
    if (chosen === undefined || chosen.value === value) return
    throw new Violation(this.name, `replica ${replica} applied ${value} as ${index} of block ${block}; ${chosen.value} is chosen`)
  }
}
