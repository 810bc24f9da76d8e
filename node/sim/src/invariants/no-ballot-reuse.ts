/**
 * A ballot carries one value per instance, whoever votes for it and in whichever life; round 0 of an instance has one
 * holder; and no two processes that may vote have the same identity (⚖1, ⚖2).
 */
import type { Core } from '../../../src/paxos/core.ts'
import type { BallotLedger } from '../ballot-ledger.ts'
import type { Invariant, Vote } from '../invariant.ts'
import { Violation } from '../violation.ts'
import type { SimVolume } from '../volume.ts'

export class NoBallotReuse implements Invariant {
  readonly name = 'no-ballot-reuse'
  private readonly ledger: BallotLedger
  private readonly started = new Set<string>()

  constructor(ledger: BallotLedger) {
    this.ledger = ledger
  }

  onServing(replica: number, _volume: SimVolume, core: Core): void {
    // One on a volume that was rolled back may, but is found out before it takes part.
    if (!core.isActive) return
    const process = core.processes.format(core.self)
    if (this.started.has(process)) throw new Violation(this.name, `replica ${replica} serves as ${process}, as an earlier process did`)
    this.started.add(process)
  }

  onVote({ kind, replica, block, instance, round, value, ballot }: Vote): void {
    if (kind === 'promise') return
    const where = `block ${block} instance ${instance}`
    if (ballot.value !== '' && ballot.value !== value)
      throw new Violation(
        this.name,
        `replica ${replica} accepts ${value} in round ${round} of ${where}, where it was ${ballot.value} before`,
      )
    if (round > 0) return
    const other = this.ledger.instance(block, instance).ballots.find((one) => one.round === 0 && one !== ballot && one.value !== '')
    if (other !== undefined)
      throw new Violation(
        this.name,
        `replica ${replica} accepts ${value} in round 0 of ${where}, which carried ${other.value} of another process`,
      )
  }
}
