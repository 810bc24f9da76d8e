/** A vote that a proposer counts for its running attempt is durable where it was cast, for that very ballot (⚖4). */
import { formatVoter, heldBy } from '../ballot-ledger.ts'
import type { Attempt, Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class VotesAreDurable implements Invariant {
  readonly name = 'votes-are-durable'

  onCounted({ replica, block, instance, round, kind, votes, ballot }: Attempt): void {
    // Whoever has accepted a ballot has promised it.
    const durable = kind === 'accept' ? ballot.accepted : [...ballot.promised, ...ballot.accepted]
    const wanting = votes.find((vote) => heldBy(durable, vote) === undefined)
    if (wanting === undefined) return
    throw new Violation(
      this.name,
      `replica ${replica} counts the vote (${kind}) of ${formatVoter(wanting)} for its round ${round} of block ${block} instance ${instance}; durable are those of ${durable.map(formatVoter).join(', ') || 'nobody'}`,
    )
  }
}
