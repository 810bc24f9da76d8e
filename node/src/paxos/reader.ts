/**
 * Strong reads at this replica: one shared, batched majority round (design §4.2).
 *
 * A round asks peers, for each block read, what they have chosen and durably accepted. Any majority, this replica
 * included, will do, so just enough of them are asked at first: a write that was answered before the round began is durable at one of its members, so applying up
 * to the highest index they name is enough. The question names this replica's own `chosen`; a peer answers only where
 * it knows more, so the usual answer is empty. ⚖6: a round answers only reads that came before it began; reads that
 * arrive while one is in flight share the next.
 *
 * Where a peer names an open instance: equal durable ballots at a majority prove it chosen, without a fetch; else the
 * read waits for it, asks the block's best live replica to settle it, and prepares itself only later (reads must not
 * steal round 0). No clock takes part in any of this but to decide when to ask again.
 */
import { BLOCK_COUNT, type ByteWriter } from '@thermocline/protocol'
import type { BlockSet } from './block-set.ts'
import { NO_ROUND } from './block-state.ts'
import { MAX_ROUND_BLOCKS, READ_SETTLE_MS, ROUND_HEDGE_MS, ROUND_RESEND_MS } from './constants.ts'
import type { Core } from './core.ts'
import type { Learner } from './learner.ts'
import type { ReplyTarget } from './pending.ts'
import type { ProcessRef } from './processes.ts'
import type { Proposer } from './proposer.ts'

/** Stands for a ballot that is not durable: equal to no other. */
export const UNPROVEN_ROUND = 0xffff_ffff

export class PendingRead {
  readonly block: number
  readonly operation: number
  readonly body: Uint8Array
  readonly deadlineMs: number
  readonly target: ReplyTarget
  readonly token: number
  /** Index that must be applied before it is answered; set by its round. */
  need = 0
  sinceMs = 0
  settleAsked = 0

  constructor(block: number, operation: number, body: Uint8Array, deadlineMs: number, target: ReplyTarget, token: number) {
    this.block = block
    this.operation = operation
    this.body = body
    this.deadlineMs = deadlineMs
    this.target = target
    this.token = token
  }
}

export class Reader {
  private readonly core: Core
  private readonly proposer: Proposer
  private readonly learner: Learner
  private readonly serve: (read: PendingRead) => void
  private readonly fail: (read: PendingRead, message: string) => void

  private pending: PendingRead[] = []
  /** The round in flight, 0 if none. */
  private round = 0
  private lastRound = 0
  private reads: PendingRead[] = []
  private blocks: number[] = []
  /** `chosen` of each block when the round began, as the question said it. */
  private asked: number[] = []
  private need: number[] = []
  /** Bit r: replica r durably has the ballot `sameRound`, `sameProcess` in instance `sameInstance`, as this one has. */
  private sameBallot: number[] = []
  private sameInstance: number[] = []
  private sameRound: number[] = []
  private sameProcess: ProcessRef[] = []
  private answered = 0
  /** Bit r: replica r has answered that it does not vote in the block, so its answer says nothing of it. */
  private absent: number[] = []
  private hasAbsent = false
  private sentAtMs = 0
  private isAllAsked = false
  private lastAsked = 0
  /** Slot + 1 of a block in the round in flight. */
  private readonly slots = new Uint32Array(BLOCK_COUNT)
  /** Reads whose block has not applied far enough yet. */
  private waiting: PendingRead[] = []
  /** Reads whose block had no majority of voters among all who answered: they take a round after the next sweep. */
  private deferred: PendingRead[] = []

  /** The answer being built for a peer's round. */
  private answerOut: ByteWriter | undefined
  private answerCountAt = -1
  private answerCount = 0

  constructor(
    core: Core,
    proposer: Proposer,
    learner: Learner,
    serve: (read: PendingRead) => void,
    fail: (read: PendingRead, message: string) => void,
  ) {
    this.core = core
    this.proposer = proposer
    this.learner = learner
    this.serve = serve
    this.fail = fail
  }

  get queued(): number {
    return this.pending.length + this.reads.length + this.waiting.length + this.deferred.length
  }

  submit(read: PendingRead): void {
    this.pending.push(read)
  }

  /** Begins the next round with everything that waits, unless one is in flight. */
  begin(): void {
    const { core } = this
    if (this.round !== 0 || this.pending.length === 0 || !core.isActive) return
    this.round = ++this.lastRound
    core.counters.rounds++
    this.takePending()
    this.answered = 1 << core.replica
    this.hasAbsent = false
    this.sentAtMs = core.nowMs
    const durable = core.log.durableWrite
    for (let slot = 0; slot < this.blocks.length; slot++) {
      const state = core.block(this.blocks[slot] as number)
      this.asked[slot] = state.chosen
      this.need[slot] = state.durableIndex(durable)
      this.sameInstance[slot] = 0
      this.absent[slot] = 0
    }
    this.isAllAsked = false
    this.askFew()
    this.finishIfQuorum()
  }

  private takePending(): void {
    let taken = 0
    for (const read of this.pending) {
      if (this.slots[read.block] === 0) {
        if (this.blocks.length === MAX_ROUND_BLOCKS) break
        this.slots[read.block] = this.blocks.push(read.block)
      }
      taken++
    }
    this.reads = taken === this.pending.length ? this.pending : this.pending.slice(0, taken)
    this.pending = taken === this.pending.length ? [] : this.pending.slice(taken)
  }

  /** Asks as many peers as a majority needs, in turn; the others only if these do not answer soon. */
  private askFew(): void {
    const { core } = this
    const likely = core.live & core.countable
    let missing = core.quorum - 1
    for (let step = 0; step < core.replicaCount && missing > 0; step++) {
      this.lastAsked = (this.lastAsked + 1) % core.replicaCount
      const replica = this.lastAsked
      const isLikely = replica !== core.replica && (likely & (1 << replica)) !== 0 && (core.peerVotes[replica] as BlockSet).isFull
      if (isLikely && this.ask(replica)) missing--
    }
    if (missing > 0) this.askAll()
  }

  private askAll(): void {
    this.isAllAsked = true
    for (let replica = 0; replica < this.core.replicaCount; replica++) if ((this.answered & (1 << replica)) === 0) this.ask(replica)
  }

  /** False if the replica is not connected. */
  private ask(replica: number): boolean {
    const { core } = this
    const out = core.outbox.now(replica)
    if (out === undefined) return false
    core.outbox.messages.readRound(out, this.round, this.blocks.length)
    for (let slot = 0; slot < this.blocks.length; slot++) {
      core.outbox.messages.readRoundBlock(out, this.blocks[slot] as number, this.asked[slot] as number)
    }
    return true
  }

  /** A peer's round asks about one block. */
  onRoundBlock(from: number, round: number, block: number, chosen: number): void {
    const { core } = this
    if (this.answerCountAt < 0) this.answerOut = core.isActive ? core.outbox.now(from) : undefined
    const out = this.answerOut
    if (out === undefined) return
    if (this.answerCountAt < 0) {
      this.answerCountAt = core.outbox.messages.readAnswer(out, round)
      this.answerCount = 0
    }
    if (!core.votes.has(block)) {
      this.answerCount++
      core.outbox.messages.readAbsence(out, block)
      return
    }
    const state = core.peek(block)
    if (state === undefined) return
    if (state.durableIndex(core.log.durableWrite) <= chosen) return
    this.answerCount++
    const { messages } = core.outbox
    if (state.acceptedRound === NO_ROUND) messages.readException(out, block, state.chosen, NO_ROUND, 0, 0, 0)
    else {
      // The instance counts although its latest ballot may not be durable yet; only a durable ballot can prove anything.
      const round = state.acceptedWrite <= core.log.durableWrite ? state.acceptedRound : UNPROVEN_ROUND
      messages.readException(out, block, state.chosen, round, state.acceptedProcess, state.acceptedValueProcess, state.acceptedValueCounter)
    }
  }

  /** Whatever a frame that could not be read to its end had begun is void. */
  dropAnswer(): void {
    this.answerOut = undefined
    this.answerCountAt = -1
  }

  onRoundEnd(): void {
    if (this.answerOut !== undefined) this.core.outbox.messages.readAnswerEnd(this.answerOut, this.answerCountAt, this.answerCount)
    this.dropAnswer()
  }

  /** A peer only learns a block of the round: its answer counts for the others. */
  onAbsence(from: number, round: number, block: number): void {
    if (round !== this.round || (this.answered & (1 << from)) !== 0) return
    const slot = (this.slots[block] as number) - 1
    if (slot < 0) return
    this.absent[slot] = (this.absent[slot] as number) | (1 << from)
    this.hasAbsent = true
  }

  /** A peer's answer names more than this replica had chosen of a block. */
  onException(from: number, round: number, block: number, chosen: number, acceptedRound: number, acceptedProcess: ProcessRef): void {
    if (round !== this.round || (this.answered & (1 << from)) !== 0 || (this.core.countable & (1 << from)) === 0) return
    const slot = (this.slots[block] as number) - 1
    if (slot < 0) return
    const { core } = this
    const state = core.block(block)
    const top = acceptedRound === NO_ROUND ? chosen : chosen + 1
    if (top > (this.need[slot] as number)) this.need[slot] = top
    if (chosen > state.chosen) {
      core.noteBehind(state, chosen)
      this.learner.fetch(state, from)
      return
    }
    if (state.isCopying) return
    const isSame =
      acceptedRound !== NO_ROUND &&
      chosen === state.chosen &&
      state.acceptedRound === acceptedRound &&
      state.acceptedProcess === acceptedProcess &&
      state.acceptedWrite <= core.log.durableWrite
    if (!isSame) return
    this.noteSame(slot, from, chosen + 1, acceptedRound, acceptedProcess)
    if (!core.isQuorum(this.sameBallot[slot] as number)) return
    core.counters.proven++
    this.learner.chooseAccepted(state)
    core.notify(state)
  }

  private noteSame(slot: number, from: number, instance: number, round: number, process: ProcessRef): void {
    if (this.sameInstance[slot] !== instance || this.sameRound[slot] !== round || this.sameProcess[slot] !== process) {
      this.sameInstance[slot] = instance
      this.sameRound[slot] = round
      this.sameProcess[slot] = process
      this.sameBallot[slot] = 1 << this.core.replica
    }
    this.sameBallot[slot] = (this.sameBallot[slot] as number) | (1 << from)
  }

  onAnswerEnd(from: number, round: number): void {
    if (round !== this.round || (this.core.countable & (1 << from)) === 0) return
    this.answered |= 1 << from
    this.finishIfQuorum()
  }

  private finishIfQuorum(): void {
    const { core } = this
    if ((core.countable & (1 << core.replica)) === 0 || !core.isQuorum(this.answered)) return
    if (this.hasAbsent && this.lacksMajority() && (core.live & core.countable & ~this.answered) !== 0) {
      if (!this.isAllAsked) this.askAll()
      return
    }
    for (const read of this.reads) {
      const slot = (this.slots[read.block] as number) - 1
      if (!core.isQuorum(this.answered & ~(this.absent[slot] as number))) {
        this.deferred.push(read)
        continue
      }
      read.need = this.need[slot] as number
      read.sinceMs = core.nowMs
      this.waiting.push(read)
    }
    for (const block of this.blocks) this.slots[block] = 0
    this.reads = []
    this.blocks = []
    this.round = 0
  }

  private lacksMajority(): boolean {
    return this.absent.some((absent, slot) => slot < this.blocks.length && !this.core.isQuorum(this.answered & ~absent))
  }

  /** Another incarnation has taken the replica's place: what the former one answered is void (⚖5). */
  forgetAnswers(replica: number): void {
    this.answered &= ~(1 << replica)
    for (let slot = 0; slot < this.blocks.length; slot++) {
      this.sameBallot[slot] = (this.sameBallot[slot] as number) & ~(1 << replica)
      this.absent[slot] = (this.absent[slot] as number) & ~(1 << replica)
    }
  }

  /** Answers what may be answered; everything chosen has been applied before. */
  serveReady(): void {
    if (this.waiting.length === 0) return
    const waiting = this.waiting
    this.waiting = []
    for (const read of waiting) {
      if (this.core.block(read.block).chosen >= read.need) this.serve(read)
      else this.waiting.push(read)
    }
  }

  /** Deadlines, rounds without a majority, and open instances that reads wait for. */
  sweep(): void {
    const { core } = this
    this.pending = this.dropLate(this.deferred.concat(this.pending))
    this.deferred = []
    this.reads = this.dropLate(this.reads)
    this.waiting = this.dropLate(this.waiting)
    const waitedMs = core.nowMs - this.sentAtMs
    if (this.round !== 0 && !this.isAllAsked && waitedMs > ROUND_HEDGE_MS) this.askAll()
    else if (this.round !== 0 && waitedMs > ROUND_RESEND_MS) {
      this.sentAtMs = core.nowMs
      core.counters.resends++
      this.askAll()
    }
    if (this.hasAbsent && this.round !== 0) this.finishIfQuorum()
    for (const read of this.waiting) this.askToSettle(read)
  }

  private askToSettle(read: PendingRead): void {
    const { core } = this
    const waited = core.nowMs - read.sinceMs
    if (waited < READ_SETTLE_MS * (read.settleAsked + 1)) return
    const state = core.block(read.block)
    if (state.chosen + 1 !== read.need) return
    read.settleAsked++
    const best = core.bestLive(read.block)
    if (best === core.replica || read.settleAsked > 2) {
      this.proposer.settle(read.block, read.need)
      return
    }
    const out = core.outbox.now(best)
    if (out !== undefined) core.outbox.messages.settle(out, read.block, read.need)
  }

  private dropLate(reads: PendingRead[]): PendingRead[] {
    const { nowMs } = this.core
    if (!reads.some((read) => read.deadlineMs <= nowMs)) return reads
    return reads.filter((read) => {
      if (read.deadlineMs > nowMs) return true
      this.fail(read, 'no majority answered the read in time')
      return false
    })
  }
}
