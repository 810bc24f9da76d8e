/**
 * The acceptor of single-decree Paxos, one instance per block at a time. It answers Prepare and Accept, records each
 * promise and accept in the log, and lets the answer leave only with the sync that carries the record (⚖4).
 *
 * ⚖3: it votes in instance i only when everything ≤ i−1 is in its log or state with i−1's value id; an Accept that
 * names i−1's value id lets it mark an equal accepted value chosen on the spot. ⚖2: round 0 of instance i is taken only
 * from the process that the value id of chosen i−1 names.
 */
import { type BlockState, highestNextRound, NO_ROUND } from './block-state.ts'
import type { Core } from './core.ts'
import type { Learner } from './learner.ts'
import { NO_PROCESS, type ProcessRef } from './processes.ts'

export class Acceptor {
  private readonly core: Core
  private readonly learner: Learner

  constructor(core: Core, learner: Learner) {
    this.core = core
    this.learner = learner
  }

  onAccept(
    from: number,
    block: number,
    instance: number,
    round: number,
    prevProcess: ProcessRef,
    prevCounter: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): void {
    const { core } = this
    const sender = core.peerProcess[from] as ProcessRef
    const state = this.openInstance(from, block, instance, prevProcess, prevCounter)
    if (state === undefined || !this.isPlausible(from, state, round)) return
    if (round === 0 && sender !== state.chosenProcess) {
      core.violation(
        `replica ${from} used round 0 of block ${block} instance ${instance}, which belongs to ${core.processes.format(state.chosenProcess)}`,
      )
      return
    }
    if (core.processes.compareBallots(round, sender, state.promisedRound, state.promisedProcess) < 0) {
      this.refuse(from, state, instance)
      return
    }
    if (state.acceptedRound !== round || state.acceptedProcess !== sender) {
      if (!core.isSound(from, block, instance, entry)) return
      this.record(state, round, sender, valueProcess, valueCounter, entry)
    } else if (state.acceptedValueProcess !== valueProcess || state.acceptedValueCounter !== valueCounter) {
      core.violation(`replica ${from} sent two values in round ${round} of block ${block} instance ${instance}`)
      return
    }
    const out = core.outbox.afterSync(from, state.acceptedWrite)
    if (out !== undefined) core.outbox.messages.accepted(out, block, instance, round)
  }

  onPrepare(from: number, block: number, instance: number, round: number, prevProcess: ProcessRef, prevCounter: number): void {
    const { core } = this
    const sender = core.peerProcess[from] as ProcessRef
    const state = this.openInstance(from, block, instance, prevProcess, prevCounter)
    if (state === undefined || !this.isPlausible(from, state, round)) return
    const order = core.processes.compareBallots(round, sender, state.promisedRound, state.promisedProcess)
    if (order < 0) {
      this.refuse(from, state, instance)
      return
    }
    if (order > 0) this.promise(state, round, sender)
    // What it reports accepted must be durable too: it may be what the proposer is bound by.
    const out = core.outbox.afterSync(from, Math.max(state.promisedWrite, state.acceptedWrite))
    if (out === undefined) return
    core.outbox.messages.promise(
      out,
      block,
      instance,
      round,
      state.acceptedRound,
      state.acceptedProcess,
      state.acceptedValueProcess,
      state.acceptedValueCounter,
      state.acceptedEntry,
    )
  }

  /** Takes a promise of this replica for `(round, process)` into state and log. */
  promise(state: BlockState, round: number, process: ProcessRef): void {
    state.promisedRound = round
    state.promisedProcess = process
    this.core.writeMark(state)
    state.promisedWrite = this.core.log.promise(state.block, state.chosen + 1, round, process)
    this.core.markOpen(state)
  }

  /** Takes an accept of this replica into state and log. */
  record(state: BlockState, round: number, process: ProcessRef, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): void {
    const { core } = this
    const isFirst = state.acceptedRound === NO_ROUND
    state.promisedRound = round
    state.promisedProcess = process
    state.acceptedRound = round
    state.acceptedProcess = process
    state.acceptedValueProcess = valueProcess
    state.acceptedValueCounter = valueCounter
    state.acceptedEntry = entry
    state.acceptedAtMs = core.nowMs
    state.acceptedWrite = core.log.accept(
      state.block,
      state.chosen + 1,
      round,
      process,
      state.chosenProcess,
      state.chosenCounter,
      valueProcess,
      valueCounter,
      entry,
    )
    if (isFirst) state.firstAcceptedWrite = state.acceptedWrite
    state.promisedWrite = state.acceptedWrite
    state.markPending = false
    core.markOpen(state)
  }

  /** The block, if `instance` is the one it may vote in; otherwise the sender is told why not. */
  private openInstance(
    from: number,
    block: number,
    instance: number,
    prevProcess: ProcessRef,
    prevCounter: number,
  ): BlockState | undefined {
    const { core } = this
    if (!core.isActive || core.isChoked) return undefined
    const state = core.block(block)
    if (state.isCopying) return undefined
    if (!state.isVoter) {
      // A learner takes it as news of what is chosen, and answers nothing.
      core.noteBehind(state, instance - 1)
      return undefined
    }
    if (
      instance === state.chosen + 2 &&
      state.acceptedRound !== NO_ROUND &&
      state.acceptedValueProcess === prevProcess &&
      state.acceptedValueCounter === prevCounter
    ) {
      core.counters.provenByNext++
      this.learner.chooseAccepted(state)
    }
    if (instance <= state.chosen) {
      const out = core.outbox.now(from)
      if (out !== undefined) core.outbox.messages.ahead(out, block, state.chosen)
      return undefined
    }
    if (instance > state.chosen + 1) {
      core.counters.behind++
      const out = core.outbox.now(from)
      if (out !== undefined) core.outbox.messages.behind(out, block, instance, state.chosen)
      core.noteBehind(state, instance - 1)
      this.learner.fetchUrgently(state, from)
      return undefined
    }
    if (prevProcess !== state.chosenProcess || prevCounter !== state.chosenCounter) {
      const named = prevProcess === NO_PROCESS ? 'nothing' : `${core.processes.format(prevProcess)}#${prevCounter}`
      core.violation(
        `replica ${from} names ${named} as the value of block ${block} instance ${instance - 1}; here it is ${core.processes.format(state.chosenProcess)}#${state.chosenCounter}`,
      )
      return undefined
    }
    return state
  }

  private isPlausible(from: number, state: BlockState, round: number): boolean {
    if (round <= highestNextRound(state)) return true
    this.core.violation(`replica ${from} uses round ${round} of block ${state.block}, far above any that was tried`)
    return false
  }

  private refuse(from: number, state: BlockState, instance: number): void {
    this.core.counters.refused++
    const out = this.core.outbox.now(from)
    if (out !== undefined) this.core.outbox.messages.refused(out, state.block, instance, state.promisedRound)
  }
}
