/** All invariants of a run. */
import type { ProcessTable } from '../../../src/paxos/processes.ts'
import type { BallotLedger } from '../ballot-ledger.ts'
import type { Invariant } from '../invariant.ts'
import { AcknowledgedIsKept } from './acknowledged-is-kept.ts'
import { AppliedInOrder } from './applied-in-order.ts'
import { AppliedOnce } from './applied-once.ts'
import { BarrierNamesDurably } from './barrier-names-durably.ts'
import { ChosenIsDurable } from './chosen-is-durable.ts'
import { ChosenNeverChanges } from './chosen-never-changes.ts'
import { Conditions } from './conditions.ts'
import { DigestsEqual } from './digests-equal.ts'
import { FirstAnswer } from './first-answer.ts'
import { Linearizable } from './linearizable.ts'
import { LogKeepsUnflushed } from './log-keeps-unflushed.ts'
import { LogKeepsVotes } from './log-keeps-votes.ts'
import { NeverRolledBack } from './never-rolled-back.ts'
import { NoBallotReuse } from './no-ballot-reuse.ts'
import { NoCrash } from './no-crash.ts'
import { NoProtocolViolation } from './no-protocol-violation.ts'
import { NoReplacedVoteCounted } from './no-replaced-vote-counted.ts'
import { NoVoteAtOrBelowBarrier } from './no-vote-at-or-below-barrier.ts'
import { NothingIsPinned } from './nothing-is-pinned.ts'
import { OldRecordsAgree } from './old-records-agree.ts'
import { OneValuePerInstance } from './one-value-per-instance.ts'
import { OneVolumePerIncarnation } from './one-volume-per-incarnation.ts'
import { PromiseKept } from './promise-kept.ts'
import { PromisedByMajority } from './promised-by-majority.ts'
import { RefusedIsNotApplied } from './refused-is-not-applied.ts'
import { Restarts } from './restarts.ts'
import { RoundZeroHolder } from './round-zero-holder.ts'
import { ServesWhatIsChosen } from './serves-what-is-chosen.ts'
import { ServesWhatItSawChosen } from './serves-what-it-saw-chosen.ts'
import { SetsAsideWhatIsWrong } from './sets-aside-what-is-wrong.ts'
import { ToldAsAnswered } from './told-as-answered.ts'
import { VotersAreRemembered } from './voters-are-remembered.ts'
import { VotesAreDurable } from './votes-are-durable.ts'

export function allInvariants(ledger: BallotLedger, processes: ProcessTable): Invariant[] {
  return [
    new PromiseKept(processes),
    new LogKeepsVotes(),
    new LogKeepsUnflushed(ledger),
    new NoReplacedVoteCounted(),
    new VotesAreDurable(),
    new ToldAsAnswered(),
    new VotersAreRemembered(),
    new BarrierNamesDurably(),
    new ServesWhatIsChosen(ledger),
    new ServesWhatItSawChosen(),
    new OneVolumePerIncarnation(),
    new PromisedByMajority(ledger),
    new NoBallotReuse(ledger),
    new RoundZeroHolder(ledger),
    new NoVoteAtOrBelowBarrier(),
    new ChosenNeverChanges(ledger),
    new ChosenIsDurable(ledger),
    new OneValuePerInstance(),
    new AppliedInOrder(),
    new DigestsEqual(),
    new NoProtocolViolation(),
    new NeverRolledBack(),
    new OldRecordsAgree(),
    new SetsAsideWhatIsWrong(),
    new NothingIsPinned(),
    new NoCrash(),
    new Restarts(),
    new Linearizable(),
    new Conditions(),
    new AppliedOnce(),
    new FirstAnswer(),
    new AcknowledgedIsKept(),
    new RefusedIsNotApplied(),
  ]
}
