/**
 * Planted bugs: each breaks one rule by a change of shipped code, and names the invariant that must catch it. A simulator
 * that misses one of them would miss the same mistake made by hand. Where several defences hold one rule, the bug has to
 * break all of them, so that the rule itself is broken.
 */
import { MEMORY_MUTANTS } from './memory-mutants.ts'

export interface Edit {
  /** Path from `node/src`. */
  readonly file: string
  /** Stands exactly once in the file. */
  readonly find: string
  readonly replace: string
}

export interface Mutant extends Edit {
  readonly name: string
  /** The other places, of a bug that takes several. */
  readonly also?: readonly Edit[]
  /** What must report it first: one invariant, or those that see the same mistake at two moments. */
  readonly caughtBy: readonly string[]
  readonly why: string
}

export const MUTANTS: readonly Mutant[] = [
  ...MEMORY_MUTANTS,
  {
    name: 'own-accept-before-sync',
    file: 'paxos/proposer.ts',
    find: 'this.addOwnVote(state, state.acceptedWrite)',
    replace: 'this.countVote(state, core.replica)',
    caughtBy: ['votes-are-durable', 'chosen-is-durable'],
    why: '⚖4: the own accept counts before it is durable',
  },
  {
    name: 'peer-accept-before-sync',
    file: 'paxos/acceptor.ts',
    find: 'const out = core.outbox.afterSync(from, state.acceptedWrite)',
    replace: 'const out = core.outbox.now(from)',
    caughtBy: ['votes-are-durable'],
    why: '⚖4: an accepted leaves before its sync',
  },
  {
    name: 'own-promise-before-sync',
    file: 'paxos/proposer.ts',
    find: 'this.addOwnVote(state, state.promisedWrite)',
    replace: 'this.countVote(state, core.replica)',
    caughtBy: ['votes-are-durable'],
    why: '⚖4: the own promise counts before it is durable',
  },
  {
    name: 'peer-promise-before-sync',
    file: 'paxos/acceptor.ts',
    find: 'const out = core.outbox.afterSync(from, Math.max(state.promisedWrite, state.acceptedWrite))',
    replace: 'const out = core.outbox.now(from)',
    caughtBy: ['votes-are-durable'],
    why: '⚖4: a promise leaves before its sync',
  },
  {
    name: 'two-holders-of-round-zero',
    file: 'paxos/proposer.ts',
    find: 'const ownsRoundZero = state.chosenProcess === core.self && ',
    replace: 'const ownsRoundZero = ',
    caughtBy: ['round-zero-holder'],
    why: '⚖2: anybody takes round 0',
  },
  {
    name: 'round-zero-after-restart',
    file: 'paxos/proposer.ts',
    find: 'const ownsRoundZero = state.chosenProcess === core.self && ',
    replace: 'const ownsRoundZero = state.chosenProcess > 0 && core.processes.get(state.chosenProcess).replica === core.replica && ',
    caughtBy: ['round-zero-holder'],
    why: '⚖2: a new process takes the round 0 of the one before it',
  },
  {
    name: 'accept-below-promise',
    file: 'paxos/acceptor.ts',
    find: 'if (core.processes.compareBallots(round, sender, state.promisedRound, state.promisedProcess) < 0) {',
    replace: 'if (false) {',
    caughtBy: ['promise-kept'],
    why: 'an acceptor forgets what it has promised',
  },
  {
    name: 'own-proposal-below-promise',
    file: 'paxos/proposer.ts',
    find: 'if (core.processes.compareBallots(state.round, core.self, state.promisedRound, state.promisedProcess) < 0) {',
    replace: 'if (false) {',
    caughtBy: ['promise-kept'],
    why: 'what its own acceptor promised to another does not bind the proposer',
  },
  {
    name: 'prepare-below-own-promise',
    file: 'paxos/proposer.ts',
    find: 'Math.max(state.promisedRound, state.acceptedRound, state.seenRound, 0) + 1',
    replace: 'state.seenRound + 1',
    caughtBy: ['promise-kept'],
    why: 'a Prepare goes below what its own acceptor has promised',
  },
  {
    name: 'free-choice-of-value',
    file: 'paxos/proposer.ts',
    find: 'if (state.bestRound !== NO_ROUND) {',
    replace: 'if (false) {',
    caughtBy: ['chosen-never-changes'],
    why: 'a proposer ignores the highest accepted value that its promises report',
  },
  {
    name: 'promise-without-value',
    file: 'paxos/acceptor.ts',
    find: '      state.acceptedRound,\n',
    replace: '      NO_ROUND,\n',
    caughtBy: ['chosen-never-changes'],
    why: 'a promise does not report what was accepted',
  },
  {
    name: 'vote-of-another-round',
    file: 'paxos/proposer.ts',
    find: 'state.phase !== Phase.accepting || round !== state.round) return',
    replace: 'state.phase !== Phase.accepting) return',
    caughtBy: ['votes-are-durable'],
    why: 'an accepted of an earlier round counts for this one',
  },
  {
    name: 'replay-applies-accepted',
    file: 'replica/recovery.ts',
    find: '    for (const block of this.halfCopied) {',
    replace:
      '    for (const state of this.core.known) if (state.acceptedRound !== NO_ROUND) this.choose(state)\n    for (const block of this.halfCopied) {',
    caughtBy: ['chosen-is-durable', 'chosen-never-changes', 'restarts'],
    why: '⚖11: replay applies what was only accepted',
  },
  {
    name: 'notice-of-another-value',
    file: 'paxos/learner.ts',
    find: '      state.acceptedValueProcess === valueProcess &&\n      state.acceptedValueCounter === valueCounter\n',
    replace: '      true\n',
    caughtBy: ['chosen-never-changes'],
    why: 'a notice makes chosen what was accepted, whatever value it names',
  },
  {
    name: 'proof-before-sync',
    file: 'paxos/reader.ts',
    find: 'const round = state.acceptedWrite <= core.log.durableWrite ? state.acceptedRound : UNPROVEN_ROUND',
    replace: 'const round = state.acceptedRound',
    caughtBy: ['chosen-is-durable'],
    why: '⚖4: a ballot that is not durable helps to prove a value chosen',
  },
  {
    name: 'digests-not-compared',
    file: 'paxos/rejoin.ts',
    find: 'if (this.ports.digest(state.block) === expected) {',
    replace: 'if (true) {',
    caughtBy: ['digests-equal'],
    why: 'a learner skips the digest check, and votes with a copy that went wrong',
  },
  {
    name: 'vote-across-a-gap',
    file: 'paxos/acceptor.ts',
    find: 'if (instance > state.chosen + 1) {',
    replace: 'if (instance > state.chosen + 2) {',
    caughtBy: ['no-protocol-violation'],
    why: '⚖3: an acceptor goes on although it does not know what was chosen before',
  },
  {
    name: 'flush-loses-accepts',
    file: 'replica/flusher.ts',
    find: '      if (state.acceptedRound !== NO_ROUND) {',
    replace: '      if (false) {',
    caughtBy: ['log-keeps-votes', 'log-keeps-unflushed'],
    why: '⚖10: a segment is freed although it holds an accept that is not proven chosen',
  },
  {
    name: 'flush-loses-promises',
    file: 'replica/flusher.ts',
    find: 'if (state.promisedRound !== NO_ROUND) log.promise(',
    replace: 'if (false) log.promise(',
    caughtBy: ['log-keeps-votes'],
    why: '⚖10: a segment is freed although it holds an open promise',
  },
  {
    name: 'free-one-segment-more',
    file: 'replica/flusher.ts',
    find: 'log.pool.release(this.cutGeneration)',
    replace: 'log.pool.release(this.cutGeneration + 1)',
    caughtBy: ['log-keeps-unflushed', 'converges'],
    why: '⚖10: the segment that was being written when the tables were frozen is freed with those before it',
  },
  {
    name: 'recycled-records-continue',
    file: 'wal/segment.ts',
    find: 'if (view.getUint32(12, true) !== generation || view.getUint32(16, true) !== offset) return undefined',
    replace: 'if (view.getUint32(16, true) !== offset) return undefined',
    caughtBy: ['restarts'],
    why: '⚖11: writes of an earlier generation pass for the continuation of this one',
  },
  {
    name: 'boot-not-raised',
    file: 'replica/volume.ts',
    find: 'boot: found.boot + 1 }',
    replace: 'boot: Math.max(1, found.boot) }',
    caughtBy: ['no-ballot-reuse', 'never-rolled-back'],
    why: '⚖1: two processes have one identity',
  },
  {
    name: 'read-of-a-minority',
    file: 'paxos/read-round.ts',
    find: 'this.answered = 1 << core.replica\n',
    replace: 'this.answered = (1 << core.replicaCount) - 1\n',
    caughtBy: ['linearizable'],
    why: 'a read is answered without a majority',
  },
  {
    name: 'read-joins-round-in-flight',
    file: 'paxos/reader.ts',
    find: '    this.pending.push(read)\n',
    replace: '    if (this.round.hasAsked(read.block)) this.round.reads.push(read)\n    else this.pending.push(read)\n',
    caughtBy: ['linearizable'],
    why: '⚖6: a round answers a read that came after it began',
  },
  {
    name: 'round-ignores-accepted',
    file: 'paxos/block-state.ts',
    find: 'return this.acceptedRound !== NO_ROUND && this.firstAcceptedWrite <= durableWrite ? this.chosen + 1 : this.chosen',
    replace: 'return this.chosen',
    caughtBy: ['linearizable'],
    why: 'a read round asks only what is known chosen',
  },
  {
    name: 'old-look-at-a-record',
    file: 'kv/entry-builder.ts',
    find: '    if (write.peeked !== undefined && write.peekedIndex === state.chosen) {',
    replace: '    if (write.peeked !== undefined) {',
    caughtBy: ['old-records-agree'],
    why: '⚖8: what a write saw of its records in one instance is shipped in another',
  },
  {
    name: 'outcome-carried-over',
    file: 'kv/entry-builder.ts',
    find: 'const failed = failedCondition(write, this.peekedView)',
    replace: 'const failed = ((write as { failed?: number }).failed ??= failedCondition(write, this.peekedView))',
    caughtBy: ['conditions'],
    why: '⚖8: the outcome of a condition in one instance is carried over to another',
  },
  {
    name: 'two-operations-on-one-record',
    file: 'kv/entry-builder.ts',
    find: 'if (this.touched.has(key)) return false',
    replace: 'if (false) return false',
    caughtBy: ['old-records-agree'],
    why: 'an entry holds two operations on a record, and the second was decided without the first',
  },
  {
    name: 'late-retry-stamped-anew',
    file: 'kv/entry-builder.ts',
    find: '    this.encode(write)\n',
    replace: '    write.view.setUint32(REQUEST_ID_BYTES, state.chosen, true)\n    this.encode(write)\n',
    caughtBy: ['applied-once'],
    why: '⚖9: a retry is not refused although its first answer may be forgotten',
  },
  {
    name: 'busy-although-carried',
    file: 'paxos/proposer.ts',
    find: "if (write.carried) this.source.fail(write, 'unknown', 'the write was proposed, but no majority answered in time')",
    replace: "if (false) this.source.fail(write, 'unknown', '')",
    caughtBy: ['refused-is-not-applied'],
    why: 'a write that an Accept has carried is refused as if it had not happened',
  },
  {
    name: 'forwarded-and-forgotten',
    file: 'replica/forwarder.ts',
    find: '    write.carries++\n',
    replace: '',
    caughtBy: ['refused-is-not-applied'],
    why: 'a write is refused here although the replica it was forwarded to may have proposed it',
  },
  {
    name: 'vote-below-barrier',
    file: 'paxos/rejoin.ts',
    find: 'else if (state.chosen < state.barrier) this.haveSettled(state)',
    replace: 'else if (false) this.haveSettled(state)',
    caughtBy: ['no-vote-at-or-below-barrier'],
    why: '⚖16: a volume that has forgotten its votes casts others in the same instances',
  },
  {
    name: 'barrier-without-open-instance',
    file: 'paxos/rejoin.ts',
    find: 'const index = state.promisedRound !== NO_ROUND || state.acceptedRound !== NO_ROUND ? state.chosen + 1 : state.chosen',
    replace: 'const index = state.chosen',
    caughtBy: ['chosen-never-changes'],
    why: '⚖15: the barrier leaves out what was promised and accepted',
  },
  {
    name: 'replaced-peer-counted',
    file: 'replica/members.ts',
    find: 'if (this.isNewest(peer.process)) countable |= 1 << peer.replica',
    replace: 'if (true) countable |= 1 << peer.replica',
    caughtBy: ['no-replaced-vote-counted'],
    why: '⚖5: a process counts although a later incarnation of its replica is named',
  },
  {
    name: 'votes-outlive-incarnation',
    file: 'replica/replica.ts',
    find: '      this.proposer.forgetVotes(peer.replica)\n',
    replace: '',
    caughtBy: ['no-replaced-vote-counted'],
    why: '⚖5: what an incarnation voted counts as a vote of its successor',
  },
  {
    name: 'incarnation-reused',
    file: 'replica/join.ts',
    find: '        highest = Math.max(highest, named.get(volume.replica)?.number ?? 0)\n',
    replace: '        Object.assign(volume.incarnation, named.get(volume.replica))\n',
    also: [
      {
        file: 'replica/join.ts',
        find: 'incarnation: { number: Math.max(highest, volume.incarnation.number) + 1, nonce: options.randomHex(8) },',
        replace: 'incarnation: volume.incarnation,',
      },
      { file: 'replica/peers.ts', find: "if (!verdict.ok) throw new ThermoclineError('rolled_back', verdict.reason)", replace: '' },
    ],
    caughtBy: ['one-volume-per-incarnation'],
    why: '⚖5: a volume that was wiped takes the incarnation of the one before it, and nobody compares what it remembers of that',
  },
  {
    name: 'barrier-before-sync',
    file: 'paxos/rejoin.ts',
    find: 'const out = core.outbox.afterSync(from, write)',
    replace: 'const out = core.outbox.now(from)',
    caughtBy: ['barrier-names-durably'],
    why: '⚖15: barriers are answered before the record of the incarnation that asks is durable',
  },
]
