/**
 * Learner-Only (design §4.4): how a replica whose volume is new, foreign, rolled back or damaged gets back to voting,
 * block by block, without ever contradicting a vote that it has forgotten.
 *
 *     asking ──n−q+1 voters have recorded the new incarnation and named their highest index──► learning
 *     learning ──everything up to the barrier is learned and applied──► comparing
 *     comparing ──digests equal at one index──► promoted, once that is durable ──► votes, above the barrier (⚖16)
 *        └──────digests differ──► compared with another voter ──► copied anew if that differs, too ──► comparing
 *
 * Why the barrier is safe: whoever counted a vote of the lost volume needed, besides it, a vote of one of the n−q+1 asked.
 * If that one voted before it was asked, its answer covers the instance; if after, its vote came in a frame that names the
 * new incarnation, so the lost volume's vote was not counted (⚖5).
 */
import { BLOCK_COUNT } from '@thermocline/protocol'
import { BlockSet } from './block-set.ts'
import { type BlockState, NO_ROUND } from './block-state.ts'
import {
  BARRIER_RECHECK_MS,
  BARRIER_RETRY_MS,
  COMPARE_RETRY_MS,
  LEARNER_SETTLE_MS,
  MAX_COMPARING,
  MAX_DIGEST_QUERIES,
  MAX_RECOPIES,
  MAX_SWEPT_BLOCKS,
} from './constants.ts'
import { CopyDoubts } from './copy-doubts.ts'
import type { Core } from './core.ts'
import type { Learner } from './learner.ts'
import { bitCount } from './quorums.ts'

export interface RejoinPorts {
  /** Puts blocks that this replica is to vote in into the log; returns the write that carries them. */
  logVotes(added: BlockSet): number
  /** Of the block as it is applied, 16 hexadecimal digits. */
  digest(block: number): string
  /** Has the block's content replaced by a peer's. */
  copy(state: BlockState, from: number): void
  /** The block is asked for: its copy goes before those of others. */
  copySoon(block: number): void
  /** Changes whenever a later incarnation of some replica becomes known. */
  namesVersion(): number
  /** The block stays without this replica's vote until an operator has done something. */
  onStuck(block: number, reason: string): void
  /** Every block votes, and durably so: called once. */
  onComplete(): void
}

export interface RejoinProgress {
  readonly blocks: number
  /** Blocks that vote already. */
  readonly voting: number
  /** Blocks whose barrier is known. */
  readonly barriers: number
  /** Blocks that wait because too few other replicas vote in them, or differ however often they are copied: an operator has to help. */
  readonly stuck: number
  readonly elapsedMs: number
  /** Blocks that this process has got back to voting in. */
  readonly gained: number
}

interface Comparison {
  readonly state: BlockState
  readonly with: number
  /** When it began, or was last seen to come closer to the peer's index. */
  progressAtMs: number
  chosen: number
  /** The peer's digest at `state.holdAt`; undefined until it has answered. */
  expected: string | undefined
}

export class Rejoin {
  private readonly core: Core
  private readonly learner: Learner
  private readonly ports: RejoinPorts
  /** Other replicas that must have answered: any majority has one of them. */
  private readonly needed: number
  /** Per block: bit r if replica r, a voter of it, has answered. */
  private readonly answers = new Uint8Array(BLOCK_COUNT)
  /** By replica: the barrier of each block as it was last told. A later answer of one process is never lower, if it is true. */
  private readonly barriers: Float64Array[]
  private known = new BlockSet()
  /** Names that `answers` were taken under. */
  private namesVersion = -1
  /** `core.votes` and what is to be added to it. */
  private readonly promoted = new BlockSet()
  /** Blocks of `promoted` that no log write carries yet. */
  private unlogged: number[] = []
  /** Blocks that come into force with log write `loggedAt`. */
  private logged: number[] = []
  private loggedAt = 0
  /** Blocks that learn or compare, with what is read of them first. */
  private learning: BlockState[] = []
  private readonly isLearning = new BlockSet()
  /** Where the next sweep of `learning` begins. */
  private sweptTo = 0
  /** Blocks in `learning` that vote by now. */
  private doneLearning = 0
  private readonly doubts = new CopyDoubts()
  private readonly comparisons = new Map<number, Comparison>()
  private readonly settleAtMs = new Map<number, number>()
  private readonly wanted = new Set<number>()
  /** Wanted blocks that are not at the front of the lists yet. */
  private hasNewWants = false
  /** A block has waited long for an index that nobody has: whoever named it is asked again, and may have been wrong. */
  private isDoubtful = false
  /** Bit r: replica r was asked for its barriers and has not answered. */
  private asked = 0
  /** Number of the last question for barriers. It begins somewhere: nobody who was not asked can answer. */
  private question: number
  private askedAtMs = Number.NEGATIVE_INFINITY
  /** Learners' questions for digests, answered this turn. */
  private queries: { readonly from: number; readonly block: number }[] = []
  /** Barriers of the answer being read. */
  private answer: number[] = []
  private nextPeer = 0
  private beganMs = 0
  private votingAtStart = 0
  /** The volume has lost its votes: barriers are to be asked for. Not so for a block that was set aside on a voter's volume. */
  private asksBarriers: boolean
  readonly counters = { mismatches: 0, compared: 0 }

  constructor(core: Core, learner: Learner, ports: RejoinPorts) {
    this.core = core
    this.learner = learner
    this.ports = ports
    this.needed = core.replicaCount - core.quorum + 1
    this.barriers = Array.from({ length: core.replicaCount }, () => new Float64Array(core.votes.isFull ? 0 : BLOCK_COUNT))
    this.promoted.addAll(core.votes.bits)
    this.question = Math.floor(core.random() * 0x1_0000_0000)
    this.asksBarriers = !core.votes.isFull
  }

  /**
   * The block's content here is not what was chosen: it votes and serves nothing until a copy has replaced the content and
   * compared equal with a voter's. What it promised and accepted is kept, so that it needs no barrier.
   */
  setAside(state: BlockState): void {
    const { core } = this
    const { block } = state
    state.isSetAside = true
    state.isVoter = false
    state.needsCopy = true
    state.holdAt = Math.max(state.chosen, 1)
    core.votes.delete(block)
    this.promoted.delete(block)
    this.comparisons.delete(block)
    if (!this.asksBarriers) this.known.add(block)
    if (this.isLearning.has(block)) return
    this.isLearning.add(block)
    this.learning.push(state)
  }

  /** Blocks that an earlier process on this volume had got back to voting in, as the log says. */
  resume(votes: BlockSet): void {
    this.beganMs = this.core.nowMs
    this.votingAtStart = votes.size
    this.core.votes.addAll(votes.bits)
    this.promoted.addAll(votes.bits)
    for (const state of this.core.known) state.isVoter = votes.has(state.block)
  }

  get isComplete(): boolean {
    return this.core.votes.isFull
  }

  get progress(): RejoinProgress {
    const { core } = this
    let stuck = 0
    if (!this.isComplete) {
      const others = core.peerVotes.filter((_, replica) => replica !== core.replica && (core.live & (1 << replica)) !== 0)
      for (let block = 0; block < BLOCK_COUNT; block++) {
        if (core.votes.has(block)) continue
        if (this.doubts.givenUp.has(block) || others.filter((votes) => votes.has(block)).length < this.needed) stuck++
      }
    }
    const { size } = core.votes
    const elapsedMs = core.nowMs - this.beganMs
    return { blocks: BLOCK_COUNT, voting: size, barriers: this.known.size, stuck, elapsedMs, gained: size - this.votingAtStart }
  }

  // ── The asked ───────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Answers a learner, whose incarnation is recorded by log write `write`: the answer leaves once that is durable.
   * A promise covers what was proposed here too: a proposer promises to itself first.
   */
  onQuery(from: number, question: number, write: number): void {
    const { core } = this
    const out = core.outbox.afterSync(from, write)
    if (out === undefined) return
    const { messages } = core.outbox
    const countAt = messages.barrierAnswer(out, question)
    let count = 0
    for (const state of core.known) {
      const index = state.promisedRound !== NO_ROUND || state.acceptedRound !== NO_ROUND ? state.chosen + 1 : state.chosen
      if (!state.isVoter || index === 0) continue
      messages.barrier(out, state.block, index)
      count++
    }
    messages.barrierEnd(out, countAt, count, core.votes)
  }

  /** Answered in this turn, once everything chosen is applied: the digest is then the one at `chosen`. */
  onDigestQuery(from: number, block: number): void {
    if (this.queries.length < MAX_DIGEST_QUERIES) this.queries.push({ from, block })
  }

  private answerQueries(): void {
    const { core, ports, queries } = this
    this.queries = []
    for (const { from, block } of queries) {
      const state = core.peek(block)
      if (state === undefined || !state.isVoter || state.isCopying) continue
      const out = core.outbox.now(from)
      if (out !== undefined) core.outbox.messages.digestAnswer(out, block, state.chosen, ports.digest(block))
    }
  }

  // ── The learner ─────────────────────────────────────────────────────────────────────────────────────────────────

  onBarrier(block: number, index: number): void {
    this.answer.push(block, index)
  }

  /** The answer is whole; it counts for the blocks that its sender votes in. */
  onBarrierEnd(from: number, question: number, votes: Uint8Array | undefined): void {
    const { answer } = this
    this.answer = []
    this.noticeNames()
    // An answer counts once, and from whom it was asked: the next question opens the next one.
    if (!this.isAsked(from, question)) return
    this.asked &= ~(1 << from)
    const told = this.barriers[from] as Float64Array
    told.fill(0)
    for (let i = 0; i < answer.length; i += 2) told[answer[i] as number] = answer[i + 1] as number
    for (let block = 0; block < BLOCK_COUNT; block++) {
      if (votes !== undefined && ((votes[block >> 3] as number) & (1 << (block & 7))) === 0) continue
      this.answers[block] = (this.answers[block] as number) | (1 << from)
      if (bitCount(this.answers[block] as number) >= this.needed) this.setBarrier(block)
    }
  }

  /** An answer of `from` to that question is waited for. */
  isAsked(from: number, question: number): boolean {
    return !this.isComplete && (this.core.countable & this.asked & (1 << from)) !== 0 && question === this.question
  }

  /**
   * ⚖5 holds for barrier answers too: those of an incarnation that was replaced do not count, and who has answered since is
   * asked again. What was promoted stays: enough of the newest had answered for it.
   */
  private noticeNames(): void {
    const version = this.ports.namesVersion()
    if (version === this.namesVersion) return
    this.namesVersion = version
    if (!this.asksBarriers) return
    this.answers.fill(0)
    this.known = new BlockSet()
    this.comparisons.clear()
    this.doubts.clear()
    for (const state of this.learning) if (!state.needsCopy) state.holdAt = 0
  }

  /** The highest index that those name who have answered for the block. */
  private barrierOf(block: number): number {
    let barrier = 0
    const answers = this.answers[block] as number
    for (const [replica, told] of this.barriers.entries())
      if ((answers & (1 << replica)) !== 0) barrier = Math.max(barrier, told[block] as number)
    return barrier
  }

  private setBarrier(block: number): void {
    const { core } = this
    this.known.add(block)
    if (this.promoted.has(block)) return
    const barrier = this.barrierOf(block)
    const state = core.peek(block)
    if (barrier === 0 && (state === undefined || state.chosen === 0)) {
      // Nobody has anything of it, and what is not there needs no comparison.
      this.promote(block)
      return
    }
    const learning = core.block(block)
    learning.barrier = barrier
    core.noteBehind(learning, barrier)
    if (this.isLearning.has(block)) return
    this.isLearning.add(block)
    this.learning.push(learning)
  }

  /** Its digest was found equal, or nobody has anything of it: it votes as soon as that is durable. */
  isPromoted(block: number): boolean {
    return this.promoted.has(block)
  }

  private promote(block: number): void {
    if (this.promoted.has(block)) return
    this.promoted.add(block)
    this.unlogged.push(block)
  }

  /** Somebody asks for a block that is not served yet: it is learned first. */
  want(block: number): void {
    if (this.wanted.has(block)) return
    this.wanted.add(block)
    this.hasNewWants = true
  }

  /** Called every turn, after everything chosen is applied. */
  advance(): void {
    if (this.queries.length > 0) this.answerQueries()
    if (this.isComplete) return
    for (const comparison of this.comparisons.values()) this.compare(comparison)
    if (this.logged.length > 0 && this.loggedAt <= this.core.log.durableWrite) this.comeIntoForce()
    if (this.logged.length > 0 || this.unlogged.length === 0) return
    this.logged = this.unlogged
    this.unlogged = []
    const added = new BlockSet()
    for (const block of this.logged) added.add(block)
    this.loggedAt = this.ports.logVotes(added)
  }

  private comeIntoForce(): void {
    const { core } = this
    for (const block of this.logged) {
      // It may have been set aside meanwhile.
      if (!this.promoted.has(block)) continue
      this.isLearning.delete(block)
      core.votes.add(block)
      const state = core.peek(block)
      if (state !== undefined) state.isVoter = true
    }
    this.doneLearning += this.logged.length
    this.logged = []
    // The list is long, and this comes often.
    if (this.doneLearning * 4 >= this.learning.length) {
      this.learning = this.learning.filter((state) => !state.isVoter)
      this.doneLearning = 0
    }
    if (!this.isComplete) return
    this.asksBarriers = false
    this.ports.onComplete()
  }

  /** Asks again what was not answered, and starts comparisons. */
  sweep(): void {
    const { core } = this
    if (this.isComplete) return
    this.noticeNames()
    if (this.asksBarriers && (this.isDoubtful || this.known.size < BLOCK_COUNT) && core.nowMs - this.askedAtMs > BARRIER_RETRY_MS)
      this.ask()
    this.putWantedFirst()
    for (const comparison of [...this.comparisons.values()]) {
      const { state, with: peer } = comparison
      if (comparison.expected !== undefined && state.chosen > comparison.chosen) {
        comparison.chosen = state.chosen
        comparison.progressAtMs = core.nowMs
      }
      if (core.nowMs - comparison.progressAtMs > COMPARE_RETRY_MS || (core.live & (1 << peer)) === 0) this.stopComparing(state)
    }
    this.sweepLearning()
  }

  private sweepLearning(): void {
    const { learning } = this
    for (let left = Math.min(learning.length, MAX_SWEPT_BLOCKS); left > 0; left--) {
      if (this.sweptTo >= learning.length) this.sweptTo = 0
      this.goOn(learning[this.sweptTo++] as BlockState)
    }
  }

  private goOn(state: BlockState): void {
    const { block } = state
    if (this.promoted.has(block) || !this.known.has(block) || this.doubts.givenUp.has(block)) return
    if (state.needsCopy) this.copyAgain(state)
    else if (state.chosen < state.barrier) this.haveSettled(state)
    else if (!state.isQueued && !state.isCopying && !this.comparisons.has(block) && this.comparisons.size < MAX_COMPARING)
      this.beginComparing(state)
  }

  private ask(): void {
    const { core } = this
    this.askedAtMs = core.nowMs
    this.isDoubtful = false
    this.asked = 0
    this.question = (this.question + 1) >>> 0
    for (let replica = 0; replica < core.replicaCount; replica++) {
      if (replica === core.replica) continue
      const out = core.outbox.now(replica)
      if (out === undefined) continue
      this.asked |= 1 << replica
      core.outbox.messages.barrierQuery(out, this.question)
    }
  }

  private putWantedFirst(): void {
    if (!this.hasNewWants) return
    this.hasNewWants = false
    for (const block of this.wanted) {
      if (this.promoted.has(block)) this.wanted.delete(block)
      else this.ports.copySoon(block)
    }
    const isWanted = (state: BlockState): boolean => this.wanted.has(state.block)
    this.learning = this.learning.filter(isWanted).concat(this.learning.filter((state) => !isWanted(state)))
    this.sweptTo = 0
    this.learner.putFirst(isWanted)
  }

  /** What is open up to the barrier never closes by itself: voters settle it, in idle blocks too. */
  private haveSettled(state: BlockState): void {
    const { core } = this
    core.noteBehind(state, state.barrier)
    const dueAtMs = this.settleAtMs.get(state.block) ?? 0
    // While a peer has more to give, nothing says that the instance is open.
    if (state.isQueued || state.isCopying || state.chosen < state.peerChosen || core.nowMs < dueAtMs) return
    if (core.nowMs - this.askedAtMs > BARRIER_RECHECK_MS) this.isDoubtful = true
    this.settleAtMs.set(state.block, core.nowMs + LEARNER_SETTLE_MS)
    const best = core.bestLive(state.block)
    const out = best === core.replica ? undefined : core.outbox.now(best)
    if (out !== undefined) core.outbox.messages.settle(out, state.block, state.chosen + 1)
  }

  private beginComparing(state: BlockState): void {
    const { core } = this
    // Nobody new is there: the same again is better than to wait for one that may be gone.
    const fresh = this.anyVoter(state.block, this.doubts.heard(state.block))
    const peer = fresh >= 0 ? fresh : this.anyVoter(state.block)
    const out = peer < 0 ? undefined : core.outbox.now(peer)
    if (out === undefined) return
    this.comparisons.set(state.block, { state, with: peer, progressAtMs: core.nowMs, chosen: state.chosen, expected: undefined })
    core.outbox.messages.digestQuery(out, state.block)
  }

  /** A live voter of the block, another one each time, and none of those in `except`; -1 if there is none. */
  private anyVoter(block: number, except = 0): number {
    const { core } = this
    for (let step = 0; step < core.replicaCount; step++) {
      this.nextPeer = (this.nextPeer + 1) % core.replicaCount
      const peer = this.nextPeer
      if (peer === core.replica || (except & (1 << peer)) !== 0) continue
      if ((core.live & (1 << peer)) !== 0 && core.votesIn(peer, block)) return peer
    }
    return -1
  }

  onDigestAnswer(from: number, block: number, index: number, digest: string): void {
    const comparison = this.comparisons.get(block)
    if (comparison === undefined || comparison.with !== from || comparison.expected !== undefined) return
    const { state } = comparison
    if (index < state.chosen) {
      // The peer is behind: perhaps the next one is not.
      this.stopComparing(state)
      return
    }
    comparison.expected = digest
    // Nothing beyond is learned until both are at one index.
    state.holdAt = index
    this.core.noteBehind(state, index)
    this.learner.fetch(state, from)
  }

  private compare({ state, with: peer, expected }: Comparison): void {
    if (expected === undefined || state.isCopying || state.chosen < state.holdAt) return
    const isAtIndex = state.chosen === state.holdAt
    this.stopComparing(state)
    // An answer that came since the comparison began may have named a higher barrier (⚖16).
    if (!isAtIndex || state.chosen < state.barrier) return
    this.counters.compared++
    if (this.ports.digest(state.block) === expected) {
      this.doubts.settle(state.block)
      this.promote(state.block)
      return
    }
    this.counters.mismatches++
    this.doubts.noteDiffers(state.block, peer)
    // Another voter may say that it is the peer which is wrong: the next sweep asks it.
    if (this.anyVoter(state.block, this.doubts.heard(state.block)) >= 0) return
    this.copyAnew(state, peer)
  }

  private copyAnew(state: BlockState, peer: number): void {
    if (!this.doubts.takeCopy(state.block)) {
      this.ports.onStuck(
        state.block,
        `NeedsOperator: block ${state.block} differs from the other replicas after ${MAX_RECOPIES} copies, so that they differ from each other; compare their digests, and replace the volume that is wrong`,
      )
      return
    }
    state.needsCopy = true
    // The copy is to be no older than what is here: that waits for it.
    state.holdAt = Math.max(state.chosen, 1)
    this.doubts.noteSource(state.block, peer)
    this.ports.copy(state, peer)
  }

  private copyAgain(state: BlockState): void {
    const peer = state.isQueued || state.isCopying ? -1 : this.anyVoter(state.block)
    if (peer < 0) return
    this.doubts.noteSource(state.block, peer)
    this.ports.copy(state, peer)
  }

  private stopComparing(state: BlockState): void {
    this.comparisons.delete(state.block)
    state.holdAt = 0
    this.core.noteBehind(state, state.knownChosen)
  }
}
