/**
 * A vote of an older incarnation is not counted once the newer is named: not by a proposer that names it, nor beside a vote
 * of somebody who did when casting it; so never beside one of its successor (⚖5). What a voter named is seen on its side, so
 * that a proposer which does not hear of it is found out too.
 */
import { formatVoter, heldBy, isReplaced } from '../ballot-ledger.ts'
import type { Attempt, Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class NoReplacedVoteCounted implements Invariant {
  readonly name = 'no-replaced-vote-counted'

  onCounted({ replica, block, instance, round, kind, votes, names, ballot }: Attempt): void {
    const members = votes.filter(({ isCountable }) => isCountable)
    const held = [...ballot.promised, ...ballot.accepted]
    const namers = members.flatMap((member) => {
      const vote = heldBy(held, member)
      return vote === undefined ? [] : [vote]
    })
    for (const member of members) {
      const by = isReplaced(member, names) ? 'it' : namers.find((other) => isReplaced(member, other.names))
      if (by === undefined) continue
      throw new Violation(
        this.name,
        `replica ${replica} counts the vote (${kind}) of ${formatVoter(member)} for its round ${round} of block ${block} instance ${instance}; ${by === 'it' ? by : formatVoter(by)} names a later incarnation of that replica`,
      )
    }
  }
}
