/**
 * Moves applied state from memory to disk and frees the log behind it.
 *
 * In order (⚖10, ⚖11): freeze the memory component; copy every open promise and accept forward into the log, and put all
 * pending chosen marks there; sync; write the tables; only then are the segments before that sync no longer needed by
 * replay. A failure to write the tables for want of space leaves everything as it was and is tried again.
 */
import { ThermoclineError } from '@thermocline/protocol'
import type { Engine } from '../engine/port.ts'
import { NO_ROUND } from '../paxos/block-state.ts'
import type { Core } from '../paxos/core.ts'
import type { SharedLog } from '../wal/shared-log.ts'
import type { PeerMemories } from './peer-memory.ts'

/** Log segments that replay would have to read before a flush is due whatever the size of the memory component. */
const MAX_REPLAY_SEGMENTS = 8
/** Wait after a failed flush. */
const RETRY_MS = 1000

export interface FlusherOptions {
  readonly core: Core
  readonly engine: Engine
  readonly log: SharedLog
  readonly memories: PeerMemories
  /** True while the volume says that only the blocks named in the log vote. */
  readonly isLearner: () => boolean
  /** There was no space for a flush; the store goes on from memory and log. */
  readonly onFull: (error: ThermoclineError) => void
  /** A flush failed half-way: only a restart finds out what is on disk. */
  readonly onFailure: (error: Error) => void
  /** A flush has ended: there may be more to do. */
  readonly onDone: () => void
}

export class Flusher {
  private readonly options: FlusherOptions
  private state: 'idle' | 'syncing' | 'flushing' | 'failed' = 'idle'
  private syncedAt = 0
  private cutGeneration = 0
  private retryAtMs = 0
  private isWanted = false
  flushes = 0

  constructor(options: FlusherOptions) {
    this.options = options
  }

  /** True while the frozen memory component waits for disk: nothing more can be frozen. */
  get isBusy(): boolean {
    return this.state !== 'idle'
  }

  /** The last flush could not be written. */
  get isFailing(): boolean {
    return this.state === 'failed'
  }

  /** Replay has frozen a component: whether it is left for this to flush. It frees no log: replay may need all of it. */
  adoptFrozen(isLeft: boolean): void {
    this.state = isLeft ? 'failed' : 'idle'
    this.cutGeneration = 0
    this.retryAtMs = this.options.core.nowMs + RETRY_MS
  }

  /** A peer needs a snapshot of what is not flushed yet. Returns how many `flushes` there will have been when what is applied now is. */
  want(): number {
    this.isWanted = true
    return this.flushes + (this.isBusy ? 2 : 1)
  }

  /** Called every turn after everything chosen is applied. */
  advance(): void {
    const { engine, log, core } = this.options
    const { pool } = log
    if (this.state === 'idle') {
      const isDue = this.isWanted || engine.rotationDue() || pool.replayBytes > MAX_REPLAY_SEGMENTS * pool.segmentBytes
      if (isDue) this.begin()
    } else if (this.state === 'syncing' && log.durableWrite >= this.syncedAt) this.write()
    else if (this.state === 'failed' && core.nowMs >= this.retryAtMs) this.write()
  }

  /** Freezes what is applied and starts making it durable. */
  begin(): void {
    const { core, engine, log, memories } = this.options
    this.isWanted = false
    engine.rotate()
    // What follows lands in this segment or a later one.
    this.cutGeneration = log.pool.active?.generation ?? 0
    for (const state of core.known) {
      const instance = state.chosen + 1
      if (state.isSetAside) log.aside(state.block, state.chosen, state.chosenProcess, state.chosenCounter)
      if (state.isCopying) log.copyBegin(state.block)
      if (state.acceptedRound !== NO_ROUND) {
        log.accept(
          state.block,
          instance,
          state.acceptedRound,
          state.acceptedProcess,
          state.chosenProcess,
          state.chosenCounter,
          state.acceptedValueProcess,
          state.acceptedValueCounter,
          state.acceptedEntry as Uint8Array,
        )
      }
      if (state.promisedRound > state.acceptedRound || state.promisedProcess !== state.acceptedProcess) {
        if (state.promisedRound !== NO_ROUND) log.promise(state.block, instance, state.promisedRound, state.promisedProcess)
      }
    }
    memories.logAll(log)
    if (!core.votes.isFull || this.options.isLearner()) log.votes(core.votes)
    core.writeMarks()
    this.syncedAt = log.force()
    this.state = 'syncing'
  }

  private write(): void {
    const { engine, log } = this.options
    this.state = 'flushing'
    engine.flush().then(
      () => {
        log.pool.release(this.cutGeneration)
        this.flushes++
        this.state = 'idle'
        this.options.onDone()
      },
      (error: unknown) => {
        this.retryAtMs = this.options.core.nowMs + RETRY_MS
        this.state = 'failed'
        if (error instanceof ThermoclineError && error.code === 'disk_full') this.options.onFull(error)
        else this.options.onFailure(error as Error)
      },
    )
  }

  /** Flushes all that is applied, for a clean stop; the next start has nothing to replay. */
  async flushNow(): Promise<void> {
    const { engine, log } = this.options
    this.begin()
    const write = this.syncedAt
    await log.durable(write)
    await engine.flush()
  }
}
