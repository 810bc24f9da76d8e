/** An entry that a replica hands to a peer as chosen is what was chosen (⚖13: a snapshot may have passed what it had accepted). */
import type { BallotLedger } from '../ballot-ledger.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'
import type { SimVolume } from '../volume.ts'

export class ServesWhatIsChosen implements Invariant {
  readonly name = 'serves-what-is-chosen'
  private readonly ledger: BallotLedger

  constructor(ledger: BallotLedger) {
    this.ledger = ledger
  }

  onServed(replica: number, _volume: SimVolume, block: number, index: number, value: string): void {
    const { chosen } = this.ledger.instance(block, index)
    if (chosen?.value === value) return
    throw new Violation(
      this.name,
      `replica ${replica} serves ${value} as entry ${index} of block ${block}; ${chosen?.value ?? 'nothing'} is chosen`,
    )
  }
}
