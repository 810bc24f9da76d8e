/**
 * Rebuilds the state of all blocks from the engine's flushed positions and the log's records, in log order. ⚖11: only
 * what is *proven* chosen is applied: by a mark, by a learned record, or by an Accept that names the value id of the
 * instance before it.
 */
import { ByteReader, type Incarnation, ThermoclineError } from '@thermocline/protocol'
import type { Engine } from '../engine/port.ts'
import { BlockSet } from '../paxos/block-set.ts'
import { type BlockState, NO_ROUND } from '../paxos/block-state.ts'
import { type Core, positionHash } from '../paxos/core.ts'
import type { Learner } from '../paxos/learner.ts'
import type { ProcessRef } from '../paxos/processes.ts'
import type { PeerMemory } from '../wal/records.ts'
import type { ReplayHandler } from '../wal/replay.ts'
import type { PeerMemories } from './peer-memory.ts'

export class Recovery implements ReplayHandler {
  private readonly core: Core
  private readonly learner: Learner
  private readonly memories: PeerMemories
  /** Blocks whose snapshot had begun and not ended: the engine may or may not have taken it over. */
  private readonly halfCopied = new Set<number>()
  /** Positions that the engine held at the start. */
  private readonly flushed = new Map<number, number>()
  private flushNumber = 0
  /** Blocks that the log says this replica votes in again, if it had to learn. */
  readonly votes = new BlockSet()
  replayed = 0

  constructor(core: Core, learner: Learner, memories: PeerMemories) {
    this.core = core
    this.learner = learner
    this.memories = memories
  }

  /** Takes over what the engine had flushed. */
  takePositions(engine: Engine): void {
    this.flushNumber = engine.flushNumber()
    const reader = new ByteReader()
    for (const position of engine.positions()) {
      reader.reset(position.valueId)
      const process = this.core.processes.read(reader)
      this.flushed.set(position.block, position.index)
      moveTo(this.core, this.core.block(position.block), position.index, process, reader.u48())
    }
  }

  /** To be called after the last record. */
  finish(): void {
    // Whether the engine took the snapshot over or not, only what was replayed after its position is surely chosen.
    for (const block of this.halfCopied) {
      const state = this.core.block(block)
      state.snapshotIndex = Math.max(state.snapshotIndex, this.flushed.get(block) ?? 0)
    }
  }

  /** An older state of the engine would pass for one to replay on, and nothing in the log would tell of what it lacks. */
  onFlushed(flush: number): void {
    if (this.flushNumber >= flush) return
    throw new ThermoclineError(
      'corrupt',
      `the engine opened an older state: flush ${this.flushNumber}, but the log relies on flush ${flush}`,
    )
  }

  onPromise(block: number, instance: number, round: number, process: ProcessRef): void {
    const state = this.open(block, instance)
    if (state === undefined || this.core.processes.compareBallots(round, process, state.promisedRound, state.promisedProcess) <= 0) return
    state.promisedRound = round
    state.promisedProcess = process
    this.core.markOpen(state)
  }

  onAccept(
    block: number,
    instance: number,
    round: number,
    process: ProcessRef,
    prevProcess: ProcessRef,
    prevCounter: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): void {
    const before = this.core.block(block)
    const provesLast =
      instance === before.chosen + 2 &&
      before.acceptedRound !== NO_ROUND &&
      before.acceptedValueProcess === prevProcess &&
      before.acceptedValueCounter === prevCounter
    if (provesLast) this.choose(before)
    const state = this.open(block, instance)
    if (state === undefined || this.core.processes.compareBallots(round, process, state.acceptedRound, state.acceptedProcess) < 0) return
    state.acceptedRound = round
    state.acceptedProcess = process
    state.acceptedValueProcess = valueProcess
    state.acceptedValueCounter = valueCounter
    state.acceptedEntry = entry
    if (this.core.processes.compareBallots(round, process, state.promisedRound, state.promisedProcess) > 0) {
      state.promisedRound = round
      state.promisedProcess = process
    }
    this.core.markOpen(state)
  }

  onLearned(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): void {
    const state = this.open(block, instance)
    if (state === undefined) return
    this.learner.choose(state, valueProcess, valueCounter, entry)
    this.replayed++
  }

  onChosen(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number): void {
    const state = this.open(block, instance)
    if (state === undefined) return
    if (state.acceptedRound === NO_ROUND || state.acceptedValueProcess !== valueProcess || state.acceptedValueCounter !== valueCounter) {
      throw this.corrupt(block, instance, 'is marked chosen, but the log does not hold its value')
    }
    this.choose(state)
  }

  onPeer(memory: PeerMemory): void {
    this.memories.restore(memory)
  }

  onCopyBegin(block: number): void {
    this.halfCopied.add(block)
  }

  onCopyEnd(block: number, index: number, _valueProcess: ProcessRef, _valueCounter: number): void {
    this.halfCopied.delete(block)
    const state = this.core.block(block)
    state.isSetAside = false
    if (state.chosen < index) throw this.corrupt(block, index, `was installed from a snapshot, but the engine is at ${state.chosen}`)
    state.snapshotIndex = Math.max(state.snapshotIndex, index)
  }

  /** What it holds is wrong, or was not applied: a copy will replace it. Its position is the log's, not the engine's. */
  onAside(block: number, index: number, valueProcess: ProcessRef, valueCounter: number): void {
    const state = this.core.block(block)
    state.isSetAside = true
    if (state.chosen < index) moveTo(this.core, state, index, valueProcess, valueCounter)
  }

  onNamed(replica: number, incarnation: Incarnation): void {
    this.memories.name(replica, incarnation)
  }

  onVotes(firstBlock: number, lastBlock: number): void {
    this.votes.addRange(firstBlock, lastBlock)
  }

  onBoot(): void {
    // The log's reader takes note of it.
  }

  private choose(state: BlockState): void {
    this.learner.chooseAccepted(state)
    this.replayed++
  }

  /** The block, if the record speaks of its open instance; undefined if that is long chosen. */
  private open(block: number, instance: number): BlockState | undefined {
    const state = this.core.block(block)
    if (instance <= state.chosen) return undefined
    if (instance > state.chosen + 1)
      throw this.corrupt(block, instance, `stands in the log, but only ${state.chosen} is proven chosen before it`)
    return state
  }

  private corrupt(block: number, instance: number, what: string): ThermoclineError {
    return new ThermoclineError('corrupt', `log: instance ${instance} of block ${block} ${what}; replace this replica's volume`)
  }
}

/** Sets a block to a position that the engine holds, and keeps the replica's totals. */
export function moveTo(core: Core, state: BlockState, index: number, process: ProcessRef, counter: number): void {
  const gained = index - state.chosen
  state.chosen = index
  state.chosenProcess = process
  state.chosenCounter = counter
  state.clearAcceptor()
  core.chosenTotal += gained
  core.chosenHash = (core.chosenHash + Math.imul(positionHash(state.block), gained)) | 0
}
