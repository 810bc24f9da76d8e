/**
 * A vote of a peer is counted only once the counter's disk remembers that the peer's log reached the write which holds the vote
 * (⚖5): else a volume of the peer that is rolled back behind it would be taken for whole after a crash of the counter.
 */
import { compareIncarnations } from '@thermocline/protocol'
import { formatVoter, heldBy } from '../ballot-ledger.ts'
import type { Attempt, Invariant, Vote } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class VotersAreRemembered implements Invariant {
  readonly name = 'voters-are-remembered'

  onCounted({ replica, volume, block, instance, round, votes, ballot }: Attempt): void {
    for (const voter of votes) {
      // The ledger's votes are those that were seen to become durable, each with its write.
      const vote = heldBy([...ballot.promised, ...ballot.accepted], voter) as Vote | undefined
      // What a volume voted that another has replaced is forgotten when the connection to it ends, a moment after its memory was.
      if (voter.replica === replica || vote === undefined || !voter.isCountable) continue
      const memory = volume.durableMemories.get(voter.replica)
      const isSame = memory !== undefined && compareIncarnations(memory.incarnation, voter.incarnation) === 0
      if (isSame && memory.peerWrite >= vote.write) continue
      throw new Violation(
        this.name,
        `replica ${replica} counts the vote of ${formatVoter(voter)} in its log write ${vote.write}, for round ${round} of block ${block} instance ${instance}; its disk remembers ${isSame ? `write ${memory.peerWrite}` : 'nothing'} of that volume`,
      )
    }
  }
}
