/**
 * Strong reads at this replica: one shared, batched majority round (design §4.2).
 *
 * A round asks peers, for each block read, what they have chosen and durably accepted. Any majority, this replica
 * included, will do, so just enough of them are asked at first: a write that was answered before the round began is durable at one of its members, so applying up
 * to the highest index they name is enough. The question names this replica's own `chosen`; a peer answers only where
 * it knows more, so the usual answer is empty. ⚖6: a round answers only reads that came before it began; reads that
 * arrive while one is in flight share the next.
 *
 * A peer that only learns a block says nothing of it. A block that lacks a majority for this reason holds no other: its
 * reads leave the round and take one of their own kind, which asks everybody (*scarce*).
 *
 * Where a peer names an open instance: equal durable ballots at a majority prove it chosen, without a fetch; else the
 * read waits for it, asks the block's best live replica to settle it, and prepares itself only later (reads must not
 * steal round 0). No clock takes part in any of this but to decide when to ask again.
 */
import type { ByteWriter } from '@thermocline/protocol'
import type { BlockSet } from './block-set.ts'
import { type BlockState, NO_ROUND } from './block-state.ts'
import { READ_DOUBT_MS, READ_SETTLE_MS, ROUND_HEDGE_MS, ROUND_RESEND_MS, SCARCE_READ_LEAD_MS } from './constants.ts'
import type { Core } from './core.ts'
import type { Learner } from './learner.ts'
import type { PendingRead } from './pending-read.ts'
import { NEVER, type PendingValidation } from './pending-validation.ts'
import type { ProcessRef } from './processes.ts'
import type { Proposer } from './proposer.ts'
import { ReadRound } from './read-round.ts'

const NO_VALIDATIONS: PendingValidation[] = []
const NO_ANSWER = 'no majority answered the read in time'

/** Stands for a ballot that is not durable: equal to no other. */
export const UNPROVEN_ROUND = 0xffff_ffff

/**
 * Equal ballots of an open instance at a majority. They prove its value chosen once the own ballot is durable, and what is
 * remembered of the peers' log ends.
 */
interface Proof {
  readonly state: BlockState
  readonly instance: number
  readonly round: number
  readonly process: ProcessRef
  /** Bits of the replicas that have the ballot. */
  readonly votes: number
  readonly write: number
}

export class Reader {
  private readonly core: Core
  private readonly proposer: Proposer
  private readonly learner: Learner
  private readonly serve: (read: PendingRead) => void
  private readonly fail: (read: PendingRead | PendingValidation, message: string) => void
  private readonly answer: (validation: PendingValidation) => void
  private readonly hasRoom: () => boolean

  private pending: PendingRead[] = []
  private pendingValidations: PendingValidation[] = []
  /** Their round is over: they are answered once everything chosen has been applied. */
  private readyValidations: PendingValidation[] = []
  private lastRound = 0
  private readonly round: ReadRound
  /** Of scarce reads: it waits for everybody, and holds no others. */
  private readonly scarceRound: ReadRound
  private scarce: PendingRead[] = []
  private lastAsked = 0
  /** Reads whose block has not applied far enough yet, or whose turn has not come. */
  private waiting: PendingRead[] = []
  /** Scarce reads whose block had no majority of voters among all who are there: they take a round after the next sweep. */
  private deferred: PendingRead[] = []

  private servesReadsFirst = false
  private waitingProofs: Proof[] = []

  /** The answer being built for a peer's round. */
  private answerOut: ByteWriter | undefined
  private answerCountAt = -1
  private answerCount = 0
  /** Peers have asked since this was last set to false. */
  hasAnswered = false

  constructor(
    core: Core,
    proposer: Proposer,
    learner: Learner,
    serve: (read: PendingRead) => void,
    answer: (validation: PendingValidation) => void,
    fail: (read: PendingRead | PendingValidation, message: string) => void,
    /** True while this turn of the event loop may serve more. */
    hasRoom: () => boolean,
  ) {
    this.core = core
    this.proposer = proposer
    this.learner = learner
    this.serve = serve
    this.answer = answer
    this.fail = fail
    this.hasRoom = hasRoom
    this.round = new ReadRound(core)
    this.scarceRound = new ReadRound(core)
  }

  get queued(): number {
    const begun = this.round.reads.length + this.scarceRound.reads.length
    const validations = this.pendingValidations.length + this.round.validations.length + this.readyValidations.length
    return validations + this.pending.length + this.scarce.length + this.deferred.length + begun + this.waiting.length
  }

  submit(read: PendingRead): void {
    this.pending.push(read)
  }

  /** Many series at once: none of them waits for a round of its own kind, nor for what is under way. */
  submitValidation(validation: PendingValidation): void {
    this.pendingValidations.push(validation)
  }

  /** Begins the next round with everything that waits, unless one is in flight. */
  begin(): void {
    const { core } = this
    if (!core.isActive) return
    if (this.round.number === 0 && this.pending.length + this.pendingValidations.length > 0) {
      core.counters.rounds++
      this.round.begin(++this.lastRound, this.pending, this.pendingValidations)
      this.askFew()
      this.finishIfQuorum(this.round)
    }
    if (this.scarceRound.number !== 0 || this.scarce.length === 0) return
    core.counters.rounds++
    this.scarceRound.begin(++this.lastRound, this.scarce, NO_VALIDATIONS)
    this.scarceRound.askAll()
  }

  /** Asks as many peers as a majority needs, in turn; the others only if these do not answer soon. */
  private askFew(): void {
    const { core, round } = this
    const likely = core.live & core.countable
    let missing = core.quorum - 1
    for (let step = 0; step < core.replicaCount && missing > 0; step++) {
      this.lastAsked = (this.lastAsked + 1) % core.replicaCount
      const replica = this.lastAsked
      const isLikely = replica !== core.replica && (likely & (1 << replica)) !== 0 && (core.peerVotes[replica] as BlockSet).isFull
      if (isLikely && round.ask(replica)) missing--
    }
    if (missing > 0) round.askAll()
  }

  /** The round of the number that is in flight. */
  private roundOf(number: number): ReadRound | undefined {
    if (number === 0) return undefined
    return number === this.round.number ? this.round : number === this.scarceRound.number ? this.scarceRound : undefined
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
    this.hasAnswered = true
    if (this.answerOut !== undefined) this.core.outbox.messages.readAnswerEnd(this.answerOut, this.answerCountAt, this.answerCount)
    this.dropAnswer()
  }

  /** A peer only learns a block of the round: its answer counts for the others. */
  onAbsence(from: number, number: number, block: number): void {
    const round = this.roundOf(number)
    if (round === undefined || (round.answered & (1 << from)) !== 0 || !round.hasAsked(block)) return
    round.noteAbsent(block, from)
  }

  /** A peer's answer names more than this replica had chosen of a block. */
  onException(from: number, number: number, block: number, chosen: number, acceptedRound: number, acceptedProcess: ProcessRef): void {
    const { core } = this
    const round = this.roundOf(number)
    if (round === undefined || (round.answered & (1 << from)) !== 0 || (core.countable & (1 << from)) === 0) return
    if (!round.hasAsked(block)) return
    const state = core.block(block)
    round.noteNeed(block, from, acceptedRound === NO_ROUND ? chosen : chosen + 1)
    if (chosen > state.chosen) {
      core.noteBehind(state, chosen)
      this.learner.fetchUrgently(state, from)
      return
    }
    if (state.isCopying) return
    const isSame =
      acceptedRound !== NO_ROUND &&
      chosen === state.chosen &&
      state.acceptedRound === acceptedRound &&
      state.acceptedProcess === acceptedProcess
    if (!isSame) return
    const votes = round.noteSame(block, from, chosen + 1, acceptedRound, acceptedProcess)
    if (!core.isQuorum(votes)) return
    // The own ballot is durable by then, too.
    const write = Math.max(state.acceptedWrite, core.remember(from))
    const proof = { state, instance: chosen + 1, round: acceptedRound, process: acceptedProcess, votes, write }
    if (write <= core.log.durableWrite) this.takeProof(proof)
    else this.waitingProofs.push(proof)
  }

  private takeProof({ state, instance, round, process, votes }: Proof): void {
    const { core } = this
    if (instance !== state.chosen + 1 || state.acceptedRound !== round || state.acceptedProcess !== process || state.isCopying) return
    if (!core.isQuorum(votes)) return
    core.counters.proven++
    this.learner.chooseAccepted(state)
    core.notify(state)
  }

  /** The log is durable up to `write`: what is remembered of peers by then lets their votes count (⚖5). */
  onDurable(write: number): void {
    if (this.waitingProofs.length === 0) return
    const proofs = this.waitingProofs
    this.waitingProofs = proofs.filter((proof) => proof.write > write)
    for (const proof of proofs) if (proof.write <= write) this.takeProof(proof)
  }

  onAnswerEnd(from: number, number: number): void {
    const round = this.roundOf(number)
    if (round === undefined || (this.core.countable & (1 << from)) === 0) return
    round.answered |= 1 << from
    this.finishIfQuorum(round)
  }

  /** Reads whose block has a majority go on; a block without one holds no others, but waits in a round of its own kind. */
  private finishIfQuorum(round: ReadRound): void {
    const { core } = this
    if (!core.isReadQuorum(round.answered)) return
    const lacking: PendingRead[] = []
    const isWhole = (core.live & core.countable & ~round.answered) === 0 || core.nowMs - round.beganAtMs > READ_DOUBT_MS
    for (const read of round.reads) {
      if (!round.hasMajority(read.block) || (read.isDoubtful && !isWhole)) {
        lacking.push(read)
        continue
      }
      read.need = round.needOf(read.block)
      read.sinceMs = core.nowMs
      this.waiting.push(read)
    }
    const isScarce = round === this.scarceRound
    if (isScarce && lacking.length > 0 && !isWhole) {
      round.reads = lacking
      return
    }
    for (const validation of round.validations) this.endRound(round, validation)
    for (const read of lacking) read.isScarce = true
    const next = isScarce ? this.deferred : this.scarce
    next.push(...lacking)
    round.end()
  }

  private endRound(round: ReadRound, validation: PendingValidation): void {
    const { blocks, needs } = validation
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i] as number
      needs[i] = round.hasMajority(block) ? round.needOf(block) : NEVER
    }
    this.readyValidations.push(validation)
  }

  /** Another incarnation has taken the replica's place: what the former one answered is void (⚖5). */
  forgetAnswers(replica: number): void {
    this.round.forget(replica)
    this.scarceRound.forget(replica)
    // A proof names no voters: all of them are dropped, and the reads wait for the notice.
    this.waitingProofs = []
  }

  /**
   * Answers what may be answered, as long as there is room; everything chosen has been applied before.
   * @returns true if some of it is left for the next turn.
   */
  serveReady(): boolean {
    // In turns, so that neither takes all the room for ever.
    this.servesReadsFirst = !this.servesReadsFirst
    const isLeft = this.servesReadsFirst && this.serveReads()
    const isValidationLeft = this.answerValidations()
    const isReadLeft = this.servesReadsFirst ? isLeft : this.serveReads()
    return isValidationLeft || isReadLeft
  }

  private answerValidations(): boolean {
    if (this.readyValidations.length === 0) return false
    const ready = this.readyValidations
    this.readyValidations = []
    for (const validation of ready) {
      if (this.hasRoom()) this.answer(validation)
      else this.readyValidations.push(validation)
    }
    return this.readyValidations.length > 0
  }

  private serveReads(): boolean {
    if (this.waiting.length === 0) return false
    const waiting = this.waiting
    this.waiting = []
    let isLeft = false
    for (const read of waiting) {
      const isReady = this.isApplied(read)
      if (isReady && this.hasRoom()) {
        this.serve(read)
        continue
      }
      isLeft ||= isReady
      this.waiting.push(read)
    }
    return isLeft
  }

  private isApplied(read: PendingRead): boolean {
    return this.core.block(read.block).chosen >= read.need
  }

  /** Deadlines, rounds without a majority, and open instances that reads wait for. */
  sweep(): void {
    const { core } = this
    this.pending = this.dropLate(this.pending)
    this.scarce = this.dropLate(this.deferred.concat(this.scarce))
    this.deferred = []
    this.waiting = this.dropLate(this.waiting)
    this.pendingValidations = this.dropLateValidations(this.pendingValidations)
    this.readyValidations = this.dropLateValidations(this.readyValidations)
    for (const round of [this.round, this.scarceRound]) {
      round.reads = this.dropLate(round.reads)
      round.validations = this.dropLateValidations(round.validations)
      if (round.number === 0) continue
      const waitedMs = core.nowMs - round.sentAtMs
      if (!round.isAllAsked && waitedMs > ROUND_HEDGE_MS) round.askAll()
      else if (waitedMs > ROUND_RESEND_MS) {
        round.sentAtMs = core.nowMs
        core.counters.resends++
        round.askAll()
      }
    }
    // Whoever it waits for may have gone.
    if (this.scarceRound.number !== 0) this.finishIfQuorum(this.scarceRound)
    for (const read of [...this.waiting]) this.askToSettle(read)
  }

  private askToSettle(read: PendingRead): void {
    const { core } = this
    if (this.isApplied(read)) return
    const waited = core.nowMs - read.sinceMs
    if (waited >= READ_DOUBT_MS) {
      this.doubt(read)
      return
    }
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

  /** What a round has named does not come: perhaps nobody has it but the one who named it. All are asked, and the lowest maximum counts. */
  private doubt(read: PendingRead): void {
    this.waiting.splice(this.waiting.indexOf(read), 1)
    read.isDoubtful = true
    read.settleAsked = 0
    this.scarce.push(read)
  }

  private dropLateValidations(validations: PendingValidation[]): PendingValidation[] {
    const { nowMs } = this.core
    if (!validations.some(({ deadlineMs }) => deadlineMs <= nowMs)) return validations
    return validations.filter((validation) => {
      if (validation.deadlineMs > nowMs) return true
      this.fail(validation, NO_ANSWER)
      return false
    })
  }

  private dropLate(reads: PendingRead[]): PendingRead[] {
    const { nowMs } = this.core
    if (!reads.some((read) => endOf(read) <= nowMs)) return reads
    return reads.filter((read) => {
      if (endOf(read) > nowMs) return true
      const message = read.isScarce
        ? `too few of the replicas that answered vote in block ${read.block}; the others learn it, or are away`
        : NO_ANSWER
      this.fail(read, message)
      return false
    })
  }
}

/** What is likely to fail is told while whoever asked still waits for it. */
function endOf(read: PendingRead): number {
  // Once its round has found a majority it is as any other.
  return read.isScarce && read.sinceMs === 0 ? read.deadlineMs - SCARCE_READ_LEAD_MS : read.deadlineMs
}
