/**
 * The proposer: gets waiting writes of a block decided, one instance at a time; what arrives meanwhile becomes the next
 * entry (design §4.1).
 *
 *     idle ──fast (round 0 is ours, ⚖2)──────────────► accepting ──majority──► chosen ─► idle
 *      └──Prepare──► preparing ──majority promised──────▲    │
 *                        └───────────refused: a higher round─┴──► backingOff ──► idle (at most MAX_PREPARES per write)
 *
 * A majority of promises binds it to the highest accepted value they report; only if there is none is its own value
 * free. A displaced value's writes return to the queue and are evaluated anew for a later instance (⚖8); the request
 * table makes sure that a write which was chosen all the same is applied once (⚖9).
 */
import type { Acceptor } from './acceptor.ts'
import { type BlockState, highestNextRound, NO_ROUND, Phase } from './block-state.ts'
import {
  BACKOFF_MS,
  BACKOFF_PHASES,
  BEHIND_RESEND_MS,
  MAX_BACKOFF_MS,
  MAX_PREPARES,
  MAX_SLOW_BACKOFF_MS,
  RESEND_MS,
  SETTLE_AFTER_MS,
} from './constants.ts'
import type { Core, EntrySource } from './core.ts'
import type { Learner } from './learner.ts'
import type { PendingWrite } from './pending.ts'
import type { ProcessRef } from './processes.ts'

/** Of the newest phase in the mean of the last ones. */
const PHASE_WEIGHT = 1 / 16

/** A vote that counts once a log write here is durable: the own vote, or what is remembered of the voter's log end (⚖4, ⚖5). */
interface WaitingVote {
  replica: number
  state: BlockState
  instance: number
  round: number
  /** A Prepare and its Accept share the round: a durable promise must not pass for an accept. */
  phase: number
  write: number
}

export class Proposer {
  private readonly core: Core
  private readonly source: EntrySource
  private acceptor!: Acceptor
  private learner!: Learner
  /** In the order of their writes, from `waitingHead` on. */
  private waitingVotes: WaitingVote[] = []
  private waitingHead = 0
  /** How long a majority took to vote, in the mean of the last attempts. */
  private phaseMs = 0

  constructor(core: Core, source: EntrySource) {
    this.core = core
    this.source = source
  }

  /** The three parts know each other; this closes the circle. */
  connect(acceptor: Acceptor, learner: Learner): void {
    this.acceptor = acceptor
    this.learner = learner
  }

  /** Takes a write into the block's queue. */
  submit(write: PendingWrite): void {
    const state = this.core.block(write.block)
    if (!state.isVoter) {
      const fate = write.carried ? 'unknown' : 'unavailable'
      this.source.fail(write, fate, `this replica learns block ${write.block} and cannot propose to it; try another`)
      return
    }
    state.queue.push(write)
    this.core.markOpen(state)
    if (state.phase === Phase.idle) this.core.markReady(state)
  }

  /** Settles the block's open instance, if it is still `instance`. */
  settle(block: number, instance: number): void {
    const { core } = this
    const state = core.block(block)
    if (!core.isActive || !state.isVoter || instance !== state.chosen + 1 || state.settle) return
    state.settle = true
    core.counters.settles++
    core.markOpen(state)
    core.markReady(state)
  }

  /** Goes on with every block that may be able to; called once per turn, after everything chosen is applied. */
  advanceReady(): void {
    const { core } = this
    const ready = core.ready
    core.ready = []
    for (const state of ready) {
      state.inReady = false
      this.advance(state)
    }
  }

  private advance(state: BlockState): void {
    const { core } = this
    if (!core.isActive || !state.isVoter || core.isChoked || state.isCopying) return
    if (state.phase === Phase.preparing) {
      if (core.isQuorum(state.votes)) this.acceptAfterPromises(state)
      return
    }
    if (state.phase !== Phase.idle || (state.queue.length === 0 && !state.settle)) return
    const ownsRoundZero = state.chosenProcess === core.self && state.fastInstance !== state.chosen + 1 && state.promisedRound === NO_ROUND
    if (!ownsRoundZero) {
      this.prepare(state)
      return
    }
    const built = state.queue.length > 0 ? this.source.build(state) : undefined
    if (built === undefined && ((state.phase as number) === Phase.reading || !state.settle)) return
    const entry = built ?? this.noop(state)
    state.fastInstance = state.chosen + 1
    core.counters.fastAccepts++
    this.accept(state, 0, core.self, ++core.valueCounter, entry)
    state.inFlightCounter = core.valueCounter
  }

  private prepare(state: BlockState): void {
    const { core } = this
    this.failExhausted(state)
    if (state.queue.length === 0 && !state.settle) return
    for (const write of state.queue) write.prepares++
    state.prepares++
    core.counters.prepares++
    const round = Math.max(state.promisedRound, state.acceptedRound, state.seenRound, 0) + 1
    state.clearAttempt()
    state.phase = Phase.preparing
    state.round = round
    state.sentAtMs = core.nowMs
    this.noteBest(
      state,
      state.acceptedRound,
      state.acceptedProcess,
      state.acceptedValueProcess,
      state.acceptedValueCounter,
      state.acceptedEntry,
    )
    this.acceptor.promise(state, round, core.self)
    this.addVote(state, core.replica, state.promisedWrite)
    this.broadcast(state)
  }

  private failExhausted(state: BlockState): void {
    if (!state.queue.some((write) => write.prepares >= MAX_PREPARES)) return
    const kept: PendingWrite[] = []
    for (const write of state.queue) {
      if (write.prepares < MAX_PREPARES) kept.push(write)
      else
        this.source.fail(
          write,
          write.carried ? 'unknown' : 'busy',
          `other replicas kept proposing to block ${state.block}; gave up after ${MAX_PREPARES} Prepares`,
        )
    }
    state.queue = kept
  }

  private acceptAfterPromises(state: BlockState): void {
    const { core } = this
    if (core.processes.compareBallots(state.round, core.self, state.promisedRound, state.promisedProcess) < 0) {
      core.counters.outbid++
      // This replica's own acceptor has promised a higher ballot meanwhile: what it promised binds its proposer too.
      state.seenRound = Math.max(state.seenRound, state.promisedRound)
      this.backOff(state)
      return
    }
    if (state.bestRound !== NO_ROUND) {
      core.counters.bound++
      this.accept(state, state.round, state.bestValueProcess, state.bestValueCounter, state.bestEntry as Uint8Array)
      return
    }
    const built = state.queue.length > 0 ? this.source.build(state) : undefined
    if (built === undefined && (state.phase as number) === Phase.reading) return
    const entry = built ?? this.noop(state)
    this.accept(state, state.round, core.self, ++core.valueCounter, entry)
    state.inFlightCounter = core.valueCounter
  }

  private noop(state: BlockState): Uint8Array {
    this.core.counters.noops++
    return this.source.noop(state)
  }

  /** What the engine had to read from disk is there: the attempt goes on where it stopped. */
  resumeReading(state: BlockState, phase: number, read: number): void {
    // A read of an earlier attempt says nothing about where this one stopped.
    if (state.phase !== Phase.reading || state.read !== read) return
    state.phase = phase
    this.core.markReady(state)
  }

  private accept(state: BlockState, round: number, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): void {
    const { core } = this
    state.phase = Phase.accepting
    state.round = round
    state.votes = 0
    state.sentAtMs = core.nowMs
    state.settle = false
    state.valueProcess = valueProcess
    state.valueCounter = valueCounter
    state.valueEntry = entry
    for (const write of state.inFlight) write.carries++
    this.acceptor.record(state, round, core.self, valueProcess, valueCounter, entry)
    this.addVote(state, core.replica, state.acceptedWrite)
    this.broadcast(state)
  }

  /** Sends the running attempt's Prepare or Accept to every peer, or to one that has just connected. */
  private broadcast(state: BlockState, only = -1): void {
    const { core } = this
    const { messages } = core.outbox
    for (let replica = 0; replica < core.replicaCount; replica++) {
      if (replica === core.replica || (only >= 0 && replica !== only) || (state.votes & (1 << replica)) !== 0) continue
      const out = core.outbox.now(replica)
      if (out === undefined) continue
      const instance = state.chosen + 1
      if (state.phase === Phase.preparing)
        messages.prepare(out, state.block, instance, state.round, state.chosenProcess, state.chosenCounter)
      else
        messages.accept(
          out,
          state.block,
          instance,
          state.round,
          state.chosenProcess,
          state.chosenCounter,
          state.valueProcess,
          state.valueCounter,
          state.valueEntry as Uint8Array,
        )
    }
    state.noticePending = false
  }

  private addVote(state: BlockState, replica: number, write: number): void {
    const votes = this.waitingVotes
    let at = votes.length
    while (at > this.waitingHead && (votes[at - 1] as WaitingVote).write > write) at--
    const vote = { replica, state, instance: state.chosen + 1, round: state.round, phase: state.phase, write }
    if (at === votes.length) votes.push(vote)
    else votes.splice(at, 0, vote)
  }

  /** A peer's vote for the running attempt. */
  private takeVote(state: BlockState, replica: number): void {
    const write = this.core.remember(replica)
    if (write <= this.core.log.durableWrite) this.countVote(state, replica)
    else this.addVote(state, replica, write)
  }

  /** The log is durable up to `write`: votes that waited for it count now. */
  onDurable(write: number): void {
    const votes = this.waitingVotes
    let head = this.waitingHead
    for (; head < votes.length; head++) {
      const vote = votes[head] as WaitingVote
      if (vote.write > write) break
      const { state } = vote
      if (vote.instance === state.chosen + 1 && vote.round === state.round && vote.phase === state.phase)
        this.countVote(state, vote.replica)
    }
    if (head === votes.length) {
      this.waitingVotes = []
      head = 0
    } else if (head > 4096) {
      this.waitingVotes = votes.slice(head)
      head = 0
    }
    this.waitingHead = head
  }

  private countVote(state: BlockState, replica: number): void {
    if (state.phase !== Phase.preparing && state.phase !== Phase.accepting) return
    state.votes |= 1 << replica
    this.countVotes(state)
  }

  private countVotes(state: BlockState): void {
    const { core } = this
    if (!core.isQuorum(state.votes)) return
    this.phaseMs += (core.nowMs - state.sentAtMs - this.phaseMs) * PHASE_WEIGHT
    if (state.phase === Phase.preparing) {
      core.markReady(state)
      return
    }
    this.learner.choose(state, state.valueProcess, state.valueCounter, state.valueEntry as Uint8Array)
    core.notify(state)
  }

  onAccepted(from: number, block: number, instance: number, round: number): void {
    const state = this.core.peek(block)
    if (state === undefined || instance !== state.chosen + 1 || state.phase !== Phase.accepting || round !== state.round) return
    this.takeVote(state, from)
  }

  onPromise(
    from: number,
    block: number,
    instance: number,
    round: number,
    acceptedRound: number,
    acceptedProcess: ProcessRef,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array | undefined,
  ): void {
    const state = this.core.peek(block)
    if (state === undefined || instance !== state.chosen + 1 || state.phase !== Phase.preparing || round !== state.round) return
    if (acceptedRound > round) {
      this.core.violation(`replica ${from} promises round ${round} of block ${block} and reports round ${acceptedRound} accepted`)
      return
    }
    // A promise without its accepted value would leave the attempt free to choose another one.
    if (entry !== undefined && !this.core.isSound(from, block, instance, entry)) return
    this.noteBest(state, acceptedRound, acceptedProcess, valueProcess, valueCounter, entry)
    this.takeVote(state, from)
  }

  private noteBest(
    state: BlockState,
    round: number,
    process: ProcessRef,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array | undefined,
  ): void {
    if (round === NO_ROUND || this.core.processes.compareBallots(round, process, state.bestRound, state.bestProcess) <= 0) return
    state.bestRound = round
    state.bestProcess = process
    state.bestValueProcess = valueProcess
    state.bestValueCounter = valueCounter
    state.bestEntry = entry
  }

  onRefused(block: number, instance: number, promisedRound: number): void {
    const { core } = this
    const state = core.peek(block)
    if (state === undefined || instance !== state.chosen + 1) return
    if (state.phase !== Phase.preparing && state.phase !== Phase.accepting) return
    if (promisedRound < state.round) return
    // No acceptor takes a round far above what it knows: one that names such a round is approached, and not followed at once.
    state.seenRound = Math.max(state.seenRound, Math.min(promisedRound, highestNextRound(state) - 1))
    this.backOff(state)
  }

  /** A peer lacks earlier entries; it fetches them by itself, so its vote is asked for again soon. */
  onBehind(block: number, instance: number): void {
    const state = this.core.peek(block)
    if (state === undefined || instance !== state.chosen + 1) return
    state.sentAtMs = Math.min(state.sentAtMs, this.core.nowMs - RESEND_MS + BEHIND_RESEND_MS)
  }

  /** A peer knows more of the block than this attempt does. */
  onAhead(from: number, block: number, chosen: number): void {
    const { core } = this
    const state = core.block(block)
    if (chosen <= state.chosen) return
    core.noteBehind(state, chosen)
    this.learner.fetchUrgently(state, from)
    if (state.phase === Phase.preparing || state.phase === Phase.accepting) this.backOff(state)
  }

  private backOff(state: BlockState): void {
    const { core } = this
    this.requeue(state)
    state.clearAttempt()
    state.phase = Phase.backingOff
    // Who won needs two phases: they take as long as the disks and the load let them, and a loser that comes back sooner wins from it.
    const least = Math.min(BACKOFF_MS << Math.min(state.prepares, 6), MAX_BACKOFF_MS)
    const range = Math.min(Math.max(least, BACKOFF_PHASES * this.phaseMs), MAX_SLOW_BACKOFF_MS)
    state.retryAtMs = core.nowMs + 1 + core.random() * range
    core.markOpen(state)
  }

  /** The block is about to be replaced by a snapshot: its writes wait, and nothing of the attempt may be sent again. */
  abandon(state: BlockState): void {
    this.requeue(state)
    state.clearAttempt()
  }

  private requeue(state: BlockState): void {
    if (state.inFlight.length === 0) return
    this.core.counters.displaced++
    state.queue = state.inFlight.filter((write) => !write.isAnswered).concat(state.queue)
    state.inFlight = []
  }

  /** The learner found the open instance decided: which of our writes were in it, and the rest goes on waiting. */
  beforeChosen(state: BlockState, valueProcess: ProcessRef, valueCounter: number): PendingWrite[] | undefined {
    let writes: PendingWrite[] | undefined
    if (state.inFlight.length > 0 && valueProcess === this.core.self && valueCounter === state.inFlightCounter) {
      writes = state.inFlight
      state.inFlight = []
    } else this.requeue(state)
    state.clearAttempt()
    state.seenRound = 0
    state.prepares = 0
    state.settle = false
    return writes
  }

  /** Another incarnation has taken the replica's place: what the former one voted is void (⚖5). */
  forgetVotes(replica: number): void {
    for (const state of this.core.open) state.votes &= ~(1 << replica)
    this.waitingVotes = this.waitingVotes.slice(this.waitingHead).filter((vote) => vote.replica !== replica)
    this.waitingHead = 0
  }

  /** A peer has connected: what it voted before counts again, and it gets what is under way. */
  onPeerReady(replica: number): void {
    for (const state of this.core.open) {
      if (state.phase === Phase.preparing || state.phase === Phase.accepting) this.countVotes(state)
      if (state.phase === Phase.preparing || state.phase === Phase.accepting) this.broadcast(state, replica)
    }
  }

  /** Retries, settles what nobody finishes, and fails writes whose time is up. */
  sweep(): void {
    const { core } = this
    const open = core.open
    core.open = []
    for (const state of open) {
      state.inOpen = false
      this.failLate(state)
      if (!core.isOpen(state)) continue
      core.markOpen(state)
      this.sweepBlock(state)
    }
  }

  private sweepBlock(state: BlockState): void {
    const { core } = this
    if (state.phase === Phase.backingOff) {
      if (core.nowMs < state.retryAtMs) return
      state.phase = Phase.idle
      core.markReady(state)
    } else if (state.phase === Phase.preparing && core.isQuorum(state.votes)) {
      // All have promised, and a full log or a copy kept the Accept from leaving: no more votes will come to ask again.
      core.markReady(state)
    } else if (state.phase === Phase.preparing || state.phase === Phase.accepting) {
      if (core.nowMs - state.sentAtMs < RESEND_MS) return
      state.sentAtMs = core.nowMs
      core.counters.resends++
      this.broadcast(state)
    } else if (state.phase === Phase.idle && state.settle) {
      // Whatever kept it from being settled when it was asked for may have passed.
      core.markReady(state)
    } else if (state.phase === Phase.idle && state.acceptedRound !== NO_ROUND) {
      if (core.nowMs - state.acceptedAtMs > SETTLE_AFTER_MS) this.haveSettled(state)
    } else if (state.phase === Phase.idle && state.queue.length > 0) core.markReady(state)
  }

  /** Nobody finishes the accepted instance: the block's best live replica settles it, whether or not it has accepted. */
  private haveSettled(state: BlockState): void {
    const { core } = this
    state.acceptedAtMs = core.nowMs
    const best = core.bestLive(state.block)
    const out = best === core.replica ? undefined : core.outbox.now(best)
    if (out === undefined) this.settle(state.block, state.chosen + 1)
    else core.outbox.messages.settle(out, state.block, state.chosen + 1)
  }

  private failLate(state: BlockState): void {
    const { nowMs } = this.core
    for (const write of state.queue) if (write.deadlineMs <= nowMs) this.failWrite(write)
    // A write inside an attempt stays in its entry, answered or not: the entry is already on its way.
    for (const write of state.inFlight) if (write.deadlineMs <= nowMs) this.failWrite(write)
    if (state.queue.some(isAnswered)) state.queue = state.queue.filter((write) => !write.isAnswered)
  }

  private failWrite(write: PendingWrite): void {
    if (write.isAnswered) return
    if (write.carried) this.source.fail(write, 'unknown', 'the write was proposed, but no majority answered in time')
    else this.source.fail(write, 'busy', 'the write was not proposed in time')
  }
}

function isAnswered(write: PendingWrite): boolean {
  return write.isAnswered
}
