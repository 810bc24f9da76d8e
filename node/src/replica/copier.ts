/**
 * Copies blocks from peers, for those whose missing entries no peer's log holds any more, and those of which nothing is here. They
 * travel in batches of neighbours: one snapshot of the peer's engine, pulled part after part so that it is paced by what can be
 * installed, and one ingest here. A table for each block would never be merged, and each would cost more than the one before.
 *
 *     queued ──asked for──► head: what the peer has of it ──begins are logged──► parts ──checked──► one ingest ──► ends are logged
 *
 * ⚖13: a durable `copyBegin` of each block precedes the first change and a `copyEnd` follows the last; a block with a begin and no end
 * is copied again. While it is copied a block neither votes nor serves here. What the acceptor had promised for instances that
 * the snapshot passes is superseded by it.
 *
 * A block that fails its checks fails its batch. Batches of that peer are then halved until the block is alone, and grow again with
 * each one that is installed: so it holds up nobody for long, and another peer is asked for it.
 */
import { ThermoclineError } from '@thermocline/protocol'
import type { BlockPosition, Engine } from '../engine/port.ts'
import type { BatchContent } from '../paxos/batch-messages.ts'
import type { BlockState } from '../paxos/block-state.ts'
import { MAX_BATCH_BLOCKS } from '../paxos/constants.ts'
import type { Core } from '../paxos/core.ts'
import type { SharedLog } from '../wal/shared-log.ts'
import { type Batch, deny } from './copy-batch.ts'
import { CopyQueue } from './copy-queue.ts'
import { CopyBudget, type CopyRate, MAX_LEVEL0_TABLES, MAX_PENDING_COMPACTION_BYTES, SLOW_SYNC_MS } from './copy-rate.ts'
import { moveTo } from './recovery.ts'
import { StoreTidier } from './store-tidier.ts'

/** Batches being copied to this replica at once: one is installed while another is read. */
export const MAX_BATCHES = 2
/** Blocks that are asked for one after the other leave together. */
export const GATHER_MS = 50
/** A copy whose next part does not come starts over, from another peer. */
export const PART_TIMEOUT_MS = 5000
/** A peer that could not give a part is not asked for a copy again before this: another one may have it. */
export const PEER_PAUSE_MS = 200
/** After a copy that could not be installed here, none starts before this: a full disk does not empty in a tick. */
const INSTALL_PAUSE_MS = 1000
/** How often the store is asked how it fares. */
const PRESSURE_MS = 250

export interface CopierOptions {
  readonly core: Core
  readonly engine: Engine
  readonly log: SharedLog
  readonly rate: CopyRate
  /** The log waits for a sync for too long, or requests are refused. */
  readonly isStrained: () => boolean
  /** Ends what the block's proposer has under way. */
  readonly abandon: (state: BlockState) => void
  readonly onWork: () => void
}

export class Copier {
  private readonly options: CopierOptions
  private readonly core: Core
  private readonly engine: Engine
  private readonly budget: CopyBudget
  private readonly tidier: StoreTidier
  /** By peer. */
  private readonly queues: readonly CopyQueue[]
  /** By peer: most blocks of a batch. */
  private readonly limits: number[]
  private batches: Batch[] = []
  /** Numbers of questions begin somewhere: nobody who was not asked can answer. */
  private nextQuestion: number
  /** No copy begins before this, and none from a peer before its own. */
  private pausedUntilMs = 0
  private readonly peerPausedUntilMs: number[]
  private pressureAtMs = Number.NEGATIVE_INFINITY
  copied = 0
  copiedBytes = 0
  batchesCopied = 0
  /** Batches that were given up. */
  failures = 0

  constructor(options: CopierOptions) {
    const { core, engine, rate } = options
    this.options = options
    this.core = core
    this.engine = engine
    this.budget = new CopyBudget(rate)
    this.tidier = new StoreTidier(engine)
    this.queues = Array.from({ length: core.replicaCount }, () => new CopyQueue())
    this.limits = new Array(core.replicaCount).fill(MAX_BATCH_BLOCKS)
    this.peerPausedUntilMs = new Array(core.replicaCount).fill(0)
    this.nextQuestion = Math.floor(core.random() * 0x1_0000_0000)
  }

  /** Blocks being copied. */
  get copying(): number {
    return this.batches.reduce((sum, { states }) => sum + states.length, 0)
  }

  get rateShare(): number {
    return this.options.rate.share
  }

  /** Blocks that wait for their batch. */
  get queued(): number {
    return this.queues.reduce((sum, { size }) => sum + size, 0)
  }

  /** Has a block copied from a peer. */
  want(state: BlockState, from: number): void {
    if (state.isQueued || state.isCopying) return
    state.isQueued = true
    this.queues[from]?.add(state.block, this.core.nowMs)
  }

  /** The block goes with the next batch of its queue, if it waits. */
  copySoon(block: number): void {
    for (const queue of this.queues) if (queue.has(block)) queue.beginAt(block)
  }

  /** Called every turn: copies whose begins are durable may change the engine. */
  advance(): void {
    this.begin()
    for (const batch of this.batches) {
      if (batch.phase === 'logging' && this.options.log.durableWrite >= batch.beginWrite) this.beginInstall(batch)
      else if (batch.phase === 'pausing' && this.budget.isDue(this.core.nowMs)) this.ask(batch)
    }
  }

  // ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private begin(): void {
    while (this.batches.length < MAX_BATCHES && this.core.nowMs >= this.pausedUntilMs) {
      const from = this.nextPeer()
      if (from < 0 || !this.askBatch(from)) return
    }
  }

  /** The peer with blocks to copy from whom the fewest batches are under way; -1 if there is none. */
  private nextPeer(): number {
    const { core } = this
    let best = -1
    let fewest = MAX_BATCHES
    for (const [peer, queue] of this.queues.entries()) {
      const isFull = queue.size >= (this.limits[peer] as number)
      if (queue.size === 0 || core.nowMs < (this.peerPausedUntilMs[peer] as number)) continue
      if (!isFull && core.nowMs - queue.sinceMs < GATHER_MS) continue
      const underWay = this.batches.filter(({ from }) => from === peer).length
      if (underWay >= fewest) continue
      best = peer
      fewest = underWay
    }
    return best
  }

  private askBatch(from: number): boolean {
    const { core } = this
    const out = core.outbox.now(from)
    if (out === undefined) {
      this.dismiss(from)
      return false
    }
    const queue = this.queues[from] as CopyQueue
    const states = queue.take(this.limits[from] as number, core.nowMs).map((block) => core.block(block))
    for (const state of states) state.isQueued = false
    // Entries may have brought what is needed meanwhile.
    const wanted = states.filter((state) => state.needsCopy || state.chosen < state.knownChosen)
    if (wanted.length === 0) return true
    for (const state of wanted) {
      // An attempt belongs to its instance, which the snapshot will pass.
      this.options.abandon(state)
      state.isCopying = true
    }
    const question = this.nextQuestion
    this.nextQuestion = (this.nextQuestion + 1) >>> 0
    const askedAtMs = core.nowMs
    this.batches.push({
      from,
      question,
      states: wanted,
      contents: [],
      phase: 'asked',
      part: 0,
      askedAtMs,
      beginWrite: 0,
      install: undefined,
    })
    core.outbox.messages.batches.want(
      out,
      question,
      wanted.map((state) => ({ block: state.block, atLeast: state.leastCopy, mustFlush: state.needsCopy })),
    )
    this.options.onWork()
    return true
  }

  /** The peer has gone: what waited for it may be copied from another one. */
  private dismiss(from: number): void {
    for (const block of (this.queues[from] as CopyQueue).clear()) {
      const state = this.core.block(block)
      state.isQueued = false
      this.core.noteBehind(state, state.knownChosen)
    }
  }

  private find(from: number, question: number, phase: Batch['phase']): Batch | undefined {
    return this.batches.find((batch) => batch.from === from && batch.question === question && batch.phase === phase)
  }

  /** What the peer has of a batch. The rest is learned otherwise, or asked for again. */
  onHead(from: number, question: number, contents: readonly BatchContent[]): void {
    const batch = this.find(from, question, 'asked')
    if (batch === undefined) return
    const asked = new Map(batch.states.map((state) => [state.block, state]))
    const states = contents.map(({ block }) => asked.get(block))
    if (!contents.every(({ index }, at) => index >= (states[at]?.leastCopy ?? Number.POSITIVE_INFINITY))) {
      this.core.violation(`replica ${from} gives other copies than it was asked for`)
      this.giveUpPeer(batch)
      return
    }
    const isIn = new Set(states)
    for (const state of batch.states) {
      if (isIn.has(state)) continue
      this.resume(state)
      // Those behind the last that is in it may have had no room.
      if (state.block < (contents.at(-1)?.block ?? Number.POSITIVE_INFINITY)) state.copyDeniedBy |= 1 << from
    }
    if (contents.length === 0) {
      this.peerPausedUntilMs[from] = this.core.nowMs + PEER_PAUSE_MS
      this.end(batch)
      return
    }
    batch.states = states as BlockState[]
    batch.contents = contents
    batch.phase = 'logging'
    for (const state of batch.states) batch.beginWrite = this.options.log.copyBegin(state.block)
    this.options.onWork()
  }

  private beginInstall(batch: Batch): void {
    batch.phase = 'installing'
    this.engine.installBegin(batch.states.map(({ block }) => block)).then(
      (install) => {
        batch.install = install
        this.ask(batch)
      },
      (error: unknown) => this.fail(batch, error),
    )
  }

  private ask(batch: Batch): void {
    batch.phase = 'asking'
    batch.askedAtMs = this.core.nowMs
    const out = this.core.outbox.now(batch.from)
    if (out === undefined) this.giveUpPeer(batch)
    else this.core.outbox.messages.batches.wantPart(out, batch.question, batch.part)
    this.options.onWork()
  }

  // ── Installing ──────────────────────────────────────────────────────────────────────────────────────────────────

  onPart(from: number, question: number, part: number, syncWaitMs: number, bytes: Uint8Array): void {
    const batch = this.find(from, question, 'asking')
    if (batch === undefined || batch.part !== part) return
    if (syncWaitMs > SLOW_SYNC_MS) this.options.rate.noteTrouble(this.core.nowMs)
    this.copiedBytes += bytes.length
    this.budget.take(bytes.length, this.core.nowMs)
    if (bytes.length === 0) {
      batch.phase = 'complete'
      this.finishIfRoom(batch)
      return
    }
    batch.phase = 'installing'
    this.engine.installPart(batch.install as number, bytes.slice()).then(
      () => {
        batch.part++
        if (this.budget.isDue(this.core.nowMs)) this.ask(batch)
        else batch.phase = 'pausing'
      },
      (error: unknown) => this.fail(batch, error),
    )
  }

  onGone(from: number, question: number, isBusy: boolean): void {
    const batch = this.find(from, question, 'asked') ?? this.find(from, question, 'asking')
    if (batch === undefined) return
    if (!isBusy) deny(batch)
    this.giveUpPeer(batch)
  }

  /** While level 0 is full of tables one more makes all reads dearer: compaction comes first. */
  private finishIfRoom(batch: Batch): void {
    if (this.engine.pressure().level0Tables >= MAX_LEVEL0_TABLES) return
    batch.phase = 'installing'
    this.engine.installEnd(batch.install as number).then(
      (positions) => this.finish(batch, positions),
      (error: unknown) => this.fail(batch, error),
    )
  }

  private finish(batch: Batch, positions: readonly BlockPosition[]): void {
    const { core } = this
    for (const [at, { index }] of positions.entries()) {
      const state = batch.states[at] as BlockState
      const { valueProcess, valueCounter } = batch.contents[at] as BatchContent
      state.isCopying = false
      state.needsCopy = false
      state.isSetAside = false
      state.copyDeniedBy = 0
      state.holdAt = 0
      // A copy of what was there already supersedes no promise: a voter may have cast one in the next instance.
      if (index > state.chosen) moveTo(core, state, index, valueProcess, valueCounter)
      state.snapshotIndex = index
      state.markPending = false
      this.options.log.copyEnd(state.block, index, valueProcess, valueCounter)
      core.markReady(state)
      core.noteBehind(state, state.knownChosen)
    }
    this.copied += positions.length
    this.batchesCopied++
    this.limits[batch.from] = Math.min(MAX_BATCH_BLOCKS, (this.limits[batch.from] as number) * 2)
    this.tidier.noteInstall(core.nowMs)
    this.end(batch)
  }

  // ── Failing ─────────────────────────────────────────────────────────────────────────────────────────────────────

  private fail(batch: Batch, error: unknown): void {
    // What failed its checks came so from the peer.
    const isPeers = error instanceof ThermoclineError && (error.code === 'corrupt' || error.code === 'unsupported_version')
    if (!isPeers) {
      this.pausedUntilMs = this.core.nowMs + INSTALL_PAUSE_MS
      this.giveUp(batch)
      return
    }
    const { from, states } = batch
    if (states.length === 1) deny(batch)
    this.limits[from] = Math.max(1, states.length >> 1)
    ;(this.queues[from] as CopyQueue).beginAt((states[0] as BlockState).block)
    this.giveUpPeer(batch)
  }

  private giveUpPeer(batch: Batch): void {
    this.peerPausedUntilMs[batch.from] = this.core.nowMs + PEER_PAUSE_MS
    this.giveUp(batch)
  }

  /** The blocks stay marked as being copied until their old content counts again. */
  private giveUp(batch: Batch): void {
    this.failures++
    this.end(batch)
    const out = this.core.outbox.now(batch.from)
    if (out !== undefined) this.core.outbox.messages.batches.drop(out, batch.question)
    this.abort(batch)
  }

  private abort(batch: Batch): void {
    const resume = (): void => {
      for (const state of batch.states) this.resume(state)
      this.options.onWork()
    }
    if (batch.install === undefined) resume()
    else this.engine.installAbort(batch.install).then(resume, resume)
  }

  private resume(state: BlockState): void {
    state.isCopying = false
    this.core.noteBehind(state, state.knownChosen)
  }

  private end(batch: Batch): void {
    this.batches = this.batches.filter((one) => one !== batch)
    this.options.onWork()
  }

  onPeerLost(replica: number): void {
    this.dismiss(replica)
    for (const batch of this.batches) {
      if (batch.from === replica && (batch.phase === 'asked' || batch.phase === 'asking')) this.giveUpPeer(batch)
    }
  }

  sweep(): void {
    const { core } = this
    this.options.rate.sweep(core.nowMs)
    if (this.batches.length > 0) this.notePressure()
    for (const batch of this.batches) {
      const isWaiting = batch.phase === 'asked' || batch.phase === 'asking'
      if (isWaiting && core.nowMs - batch.askedAtMs > PART_TIMEOUT_MS) {
        deny(batch)
        this.giveUpPeer(batch)
      } else if (batch.phase === 'complete') this.finishIfRoom(batch)
    }
    this.tidier.sweep(core.nowMs)
  }

  private notePressure(): void {
    const { nowMs } = this.core
    let isInTrouble = this.options.isStrained()
    if (nowMs - this.pressureAtMs >= PRESSURE_MS) {
      this.pressureAtMs = nowMs
      const { level0Tables, pendingCompactionBytes } = this.engine.pressure()
      isInTrouble ||= level0Tables >= MAX_LEVEL0_TABLES || pendingCompactionBytes > MAX_PENDING_COMPACTION_BYTES
    }
    if (isInTrouble) this.options.rate.noteTrouble(nowMs)
  }
}
