/**
 * The learner: advances `chosen` in order, from the own quorum, from notices, and from entries fetched of peers.
 *
 * A replica that finds itself behind asks one peer for what follows its `chosen`; the answer is entries (logged as
 * learned before they count as durable, ⚖3) or "take a snapshot". At most one fetch per block and MAX_FETCHES in all
 * are under way, and a few more for blocks that requests wait for; a fetch that ends lets the next block begin. A silent peer is
 * replaced by the next after FETCH_RETRY_MS, and a fetch that brought nothing waits for FETCH_PAUSE_MS. What a peer's log has no
 * more is queued for a copy and not asked for again; so is, unasked, a block of which a learner holds nothing: one by one they would
 * be thousands of fetches a second.
 */
import { BLOCK_COUNT } from '@thermocline/protocol'
import { type BlockState, NO_ROUND } from './block-state.ts'
import { FETCH_ENTRIES, FETCH_PAUSE_MS, FETCH_RETRY_MS, MAX_FETCHES, MAX_SWEPT_BLOCKS, MAX_URGENT_FETCHES } from './constants.ts'
import { type Core, positionHash } from './core.ts'
import { FetchStatus } from './messages.ts'
import type { PendingWrite } from './pending.ts'
import type { ProcessRef } from './processes.ts'
import { bitCount } from './quorums.ts'

/** What the proposer does about a decision before the block moves on: it returns its writes in the chosen entry. */
export type BeforeChosen = (state: BlockState, valueProcess: ProcessRef, valueCounter: number) => PendingWrite[] | undefined

/** So many blocks are looked at for the next one to fetch when a fetch ends: the sweep finds those behind them. */
const MAX_LOOKED_AT = 64

export class Learner {
  private readonly core: Core
  private readonly beforeChosen: BeforeChosen
  /** Has a block copied from a peer whose log no longer reaches back. */
  private readonly takeSnapshot: (state: BlockState, from: number) => void
  private fetching = 0
  /** Numbers of questions begin somewhere: nobody who was not asked can answer. */
  private nextQuestion: number
  /** Where the next sweep of the blocks that are behind begins. */
  private sweptTo = 0
  /** Where the next block to fetch is looked for. */
  private nextAt = 0

  constructor(core: Core, beforeChosen: BeforeChosen, takeSnapshot: (state: BlockState, from: number) => void) {
    this.core = core
    this.nextQuestion = Math.floor(core.random() * 0x1_0000_0000)
    this.beforeChosen = beforeChosen
    this.takeSnapshot = takeSnapshot
  }

  /** Instance `chosen + 1` is decided: queue it to be applied and open the next. */
  choose(state: BlockState, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): void {
    const { core } = this
    const writes = this.beforeChosen(state, valueProcess, valueCounter)
    const index = state.chosen + 1
    core.chosenEntries.push({ block: state.block, index, valueProcess, valueCounter, entry, writes })
    state.chosen = index
    state.chosenProcess = valueProcess
    state.chosenCounter = valueCounter
    state.clearAcceptor()
    state.deniedBy = 0
    core.counters.chosen++
    core.chosenTotal++
    core.chosenHash = (core.chosenHash + positionHash(state.block)) | 0
    if (!state.markPending) {
      state.markPending = true
      core.marks.push(state)
    }
    if (state.queue.length > 0 || state.settle) core.markReady(state)
  }

  /** The accepted value of the open instance is proven chosen. */
  chooseAccepted(state: BlockState): void {
    this.choose(state, state.acceptedValueProcess, state.acceptedValueCounter, state.acceptedEntry as Uint8Array)
  }

  onChosen(from: number, block: number, instance: number, valueProcess: ProcessRef, valueCounter: number): void {
    const { core } = this
    if (!core.isActive) return
    const state = core.block(block)
    if (instance <= state.chosen) return
    if (
      instance === state.chosen + 1 &&
      !state.isCopying &&
      !state.isSetAside &&
      state.acceptedRound !== NO_ROUND &&
      state.acceptedValueProcess === valueProcess &&
      state.acceptedValueCounter === valueCounter
    ) {
      core.counters.noticed++
      this.chooseAccepted(state)
      return
    }
    core.noteBehind(state, instance)
    this.fetch(state, from)
  }

  onPosition(from: number, block: number, chosen: number): void {
    if (chosen === 0 || !this.core.isActive) return
    const state = this.core.block(block)
    if (chosen <= state.chosen) return
    this.core.noteBehind(state, chosen)
    this.fetch(state, from)
  }

  /** As `fetch`, for a block that a request waits for: it does not wait behind all the others that are behind. */
  fetchUrgently(state: BlockState, from: number): void {
    this.fetch(state, from, MAX_URGENT_FETCHES)
  }

  /** Asks `from` for what follows `chosen`, unless that is under way, or `most` fetches are. */
  fetch(state: BlockState, from: number, most: number = MAX_FETCHES): void {
    const { core } = this
    if (state.isQueued || state.isCopying || state.isSetAside || core.isChoked || state.fetchingFrom >= 0) return
    if (state.holdAt !== 0 && state.chosen >= state.holdAt) return
    if (state.beginsWithCopy && this.beginWithCopy(state)) return
    if (this.fetching >= most) return
    const out = core.outbox.now(from)
    if (out === undefined) return
    state.fetchingFrom = from
    state.askedLast = from
    state.fetchAtMs = core.nowMs
    state.fetchAfter = state.chosen
    state.fetchAgainAtMs = core.nowMs + FETCH_PAUSE_MS
    this.fetching++
    core.counters.fetches++
    state.question = this.nextQuestion
    this.nextQuestion = (this.nextQuestion + 1) >>> 0
    core.outbox.messages.fetch(out, state.block, state.chosen + 1, state.question)
  }

  /** Queues a block of which nothing is here, if a voter is there that has not failed to give it. Each is asked for a range of neighbours: they are copied together. */
  private beginWithCopy(state: BlockState): boolean {
    const { core } = this
    const voters = core.votersAmong(core.live & ~(1 << core.replica) & ~state.copyDeniedBy, state.block)
    if (voters === 0) return false
    let skip = Math.floor((state.block * bitCount(voters)) / BLOCK_COUNT)
    for (let replica = 0; ; replica++) {
      if ((voters & (1 << replica)) === 0 || skip-- > 0) continue
      // It surely has more to give than is here: nothing says that an instance is open.
      state.peerChosen = state.knownChosen
      this.takeSnapshot(state, replica)
      return true
    }
  }

  /** An entry is taken as chosen only from the peer that the block's fetch went to, and only within what that asked for. */
  onEntry(
    from: number,
    question: number,
    block: number,
    instance: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): void {
    const { core } = this
    const state = core.peek(block)
    if (state === undefined || state.fetchingFrom !== from || state.question !== question) return
    if (instance > state.fetchAfter + FETCH_ENTRIES) return
    if (instance !== state.chosen + 1 || state.isCopying || state.isSetAside || core.isChoked) return
    if (state.holdAt !== 0 && instance > state.holdAt) return
    const isAccepted =
      state.acceptedRound !== NO_ROUND && state.acceptedValueProcess === valueProcess && state.acceptedValueCounter === valueCounter
    if (isAccepted) {
      this.chooseAccepted(state)
      return
    }
    if (!core.isSound(from, block, instance, entry)) return
    core.writeMark(state)
    core.log.learned(block, instance, valueProcess, valueCounter, entry)
    this.choose(state, valueProcess, valueCounter, entry)
    // The learned record itself proves it chosen; the mark that `choose` asked for is not needed.
    state.markPending = false
  }

  onEntriesEnd(from: number, question: number, block: number, chosen: number, status: number): void {
    const state = this.core.peek(block)
    if (state === undefined || state.fetchingFrom !== from || state.question !== question) return
    this.endFetch(state)
    state.peerChosen = chosen
    this.core.noteBehind(state, chosen)
    if (chosen <= state.chosen) this.noteDenial(state, from)
    if (status === FetchStatus.needsSnapshot) {
      if (state.chosen < chosen) this.takeSnapshot(state, from)
    } else if (state.chosen > state.fetchAfter) {
      state.fetchAgainAtMs = 0
      // In the place of the one that has ended, whichever that was.
      if (state.chosen < state.knownChosen) this.fetch(state, from, MAX_URGENT_FETCHES)
    }
    this.fetchNext()
  }

  /** A fetch has ended: the next of the blocks that are behind takes its place. */
  private fetchNext(): void {
    const { core } = this
    const { behind } = core
    for (let left = Math.min(MAX_LOOKED_AT, behind.length); left > 0 && this.fetching < MAX_FETCHES; left--) {
      if (this.nextAt >= behind.length) this.nextAt = 0
      const state = behind[this.nextAt++] as BlockState
      if (this.isDue(state)) this.fetchFromAny(state)
    }
  }

  private isDue(state: BlockState): boolean {
    return state.fetchingFrom < 0 && !state.isCopying && state.chosen < state.knownChosen && this.core.nowMs >= state.fetchAgainAtMs
  }

  /** Everybody who could give more says that there is no more: whoever said so was wrong, or has gone. */
  private noteDenial(state: BlockState, from: number): void {
    const { core } = this
    state.deniedBy |= 1 << from
    const others = core.live & ~(1 << core.replica)
    const able = core.votersAmong(others, state.block) || others
    if ((able & ~state.deniedBy) !== 0) return
    state.knownChosen = state.chosen
    state.deniedBy = 0
  }

  private endFetch(state: BlockState): void {
    state.fetchingFrom = -1
    this.fetching--
  }

  /** Fetches that a lost peer will not answer. */
  onPeerLost(replica: number): void {
    for (const state of this.core.behind) if (state.fetchingFrom === replica) this.endFetch(state)
  }

  /** Drops blocks that caught up from the list and restarts fetches that got no answer. */
  sweep(): void {
    const { core } = this
    const { behind } = core
    const from = this.sweptTo < behind.length ? this.sweptTo : 0
    const until = Math.min(from + MAX_SWEPT_BLOCKS, behind.length)
    const kept: BlockState[] = []
    for (let at = from; at < until; at++) {
      const state = behind[at] as BlockState
      const late = state.fetchingFrom >= 0 && core.nowMs - state.fetchAtMs > FETCH_RETRY_MS
      if (late || (state.fetchingFrom >= 0 && state.chosen >= state.knownChosen)) this.endFetch(state)
      if (state.chosen >= state.knownChosen) {
        state.inBehind = false
        continue
      }
      kept.push(state)
      if (this.isDue(state)) this.fetchFromAny(state)
    }
    if (kept.length < until - from) behind.splice(from, until - from, ...kept)
    // From the first again, however many have come behind the last meanwhile.
    this.sweptTo = from + kept.length < behind.length ? from + kept.length : 0
  }

  /** These blocks are fetched before the others. */
  putFirst(isFirst: (state: BlockState) => boolean): void {
    const { core } = this
    core.behind = core.behind.filter(isFirst).concat(core.behind.filter((state) => !isFirst(state)))
    this.sweptTo = 0
    this.nextAt = 0
  }

  /** The next live peer after the one asked last; one that votes in the block if there is any, since others may know less. */
  private fetchFromAny(state: BlockState): void {
    const { core } = this
    const live = core.live & ~(1 << core.replica)
    const best = core.votersAmong(live, state.block) || live
    for (let step = 1; step <= core.replicaCount; step++) {
      const candidate = (state.askedLast + step) % core.replicaCount
      if ((best & (1 << candidate)) === 0) continue
      this.fetch(state, candidate)
      return
    }
  }
}
