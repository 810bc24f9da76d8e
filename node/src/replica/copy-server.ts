/**
 * Gives peers copies of blocks, in batches: one engine snapshot for a batch, read part after part as the peer asks for them, at a
 * bounded rate. A snapshot is of what is flushed: what follows stands in the log, where the peer has to fetch it block by block, at
 * many times the cost. Where much of a batch is not flushed, a flush comes first.
 */
import { ByteReader } from '@thermocline/protocol'
import type { Engine, SnapshotHead } from '../engine/port.ts'
import type { BatchWant } from '../paxos/batch-messages.ts'
import { SNAPSHOT_PART_BYTES } from '../paxos/constants.ts'
import type { Core } from '../paxos/core.ts'
import { CopyBudget, type CopyRate } from './copy-rate.ts'

/** Batches open for peers at once. */
export const MAX_SERVED = 2
/** A snapshot that its asker does not ask on for is let go: it pins files. */
export const SERVED_IDLE_MS = 10_000
/** A batch whose snapshot would lack more entries than this, and for each block more than that, waits for a flush. */
const MOST_UNFLUSHED = 64
const MOST_UNFLUSHED_PER_BLOCK = 0.25
/** Another batch does not, so soon: each flush leaves a table. */
const FLUSH_PAUSE_MS = 10_000
/** So long at most: the asker gives up a peer that says nothing for PART_TIMEOUT_MS. */
const FLUSH_WAIT_MS = 3000
/** The longest wait for a sync that a part can tell. */
const MOST_SYNC_WAIT_MS = 0xffff

interface Served {
  readonly to: number
  readonly question: number
  readonly wants: readonly BatchWant[]
  /** It is opened after so many flushes; undefined once it is. */
  flushes: number | undefined
  /** Undefined while it is being opened. */
  handle: number | undefined
  nextPart: number
  /** The next part was asked for, and waits for its turn. */
  isWanted: boolean
  isReading: boolean
  askedAtMs: number
}

export interface CopyServerOptions {
  readonly core: Core
  readonly engine: Engine
  readonly rate: CopyRate
  /** The log waits for a sync for too long, or requests are refused. */
  readonly isStrained: () => boolean
  /** How long the log write under way has taken. */
  readonly syncWaitMs: () => number
  /** What is not flushed yet is to be. Returns how many flushes there will have been then. */
  readonly wantFlush: () => number
  /** How many there have been. */
  readonly flushes: () => number
  readonly onWork: () => void
}

export class CopyServer {
  private readonly options: CopyServerOptions
  private readonly core: Core
  private readonly engine: Engine
  private readonly budget: CopyBudget
  private served: Served[] = []
  private flushWantedMs = Number.NEGATIVE_INFINITY

  constructor(options: CopyServerOptions) {
    this.options = options
    this.core = options.core
    this.engine = options.engine
    this.budget = new CopyBudget(options.rate)
  }

  get serving(): number {
    return this.served.length
  }

  /** A peer asks for a batch: it is told what of it there is. */
  onWantBatch(from: number, question: number, wants: readonly BatchWant[]): void {
    this.release(this.find(from, question))
    if (this.served.length >= MAX_SERVED) {
      this.refuse(from, question, true)
      return
    }
    const flushes = this.flushFirst(wants) ? this.options.wantFlush() : undefined
    const served: Served = {
      to: from,
      question,
      wants,
      flushes,
      handle: undefined,
      nextPart: 0,
      isWanted: false,
      isReading: true,
      askedAtMs: this.core.nowMs,
    }
    this.served.push(served)
    if (flushes === undefined) this.open(served)
  }

  /** Whether so much of the blocks is not flushed that it is worth a flush. */
  private flushFirst(wants: readonly BatchWant[]): boolean {
    const { core, engine } = this
    if (core.nowMs - this.flushWantedMs < FLUSH_PAUSE_MS) return false
    let unflushed = 0
    for (const { block } of wants) unflushed += Math.max(0, (core.peek(block)?.chosen ?? 0) - engine.flushedIndex(block))
    if (unflushed <= Math.max(MOST_UNFLUSHED, wants.length * MOST_UNFLUSHED_PER_BLOCK)) return false
    this.flushWantedMs = core.nowMs
    return true
  }

  private open(served: Served): void {
    served.flushes = undefined
    const blocks = served.wants.filter((want) => this.isAtHand(want)).map(({ block }) => block)
    if (blocks.length === 0) {
      this.answer(served, [])
      this.release(served)
      return
    }
    this.engine.snapshotOpen(blocks).then(
      (head) => this.opened(served, head),
      () => this.fail(served),
    )
  }

  /** Whether there is something flushed of the block that is of use. */
  private isAtHand({ block, atLeast, mustFlush }: BatchWant): boolean {
    const { core } = this
    const state = core.peek(block)
    if (state === undefined || !core.votes.has(block) || state.isCopying) return false
    const isFlushed = this.engine.flushedIndex(block) >= Math.max(atLeast, 1)
    // The next try finds it.
    if (!isFlushed && mustFlush && state.chosen >= atLeast) this.options.wantFlush()
    return isFlushed
  }

  private opened(served: Served, { handle, contents }: SnapshotHead): void {
    if (!this.served.includes(served)) {
      this.engine.snapshotClose(handle)
      return
    }
    Object.assign(served, { handle, isReading: false })
    if (!this.answer(served, contents) || contents.length === 0) this.release(served)
    this.options.onWork()
  }

  /** False if the peer has gone. */
  private answer({ to, question }: Served, contents: SnapshotHead['contents']): boolean {
    const { core } = this
    const out = core.outbox.now(to)
    if (out === undefined) return false
    const reader = new ByteReader()
    const named = contents.map(({ block, index, valueId }) => {
      reader.reset(valueId)
      return { block, index, valueProcess: core.processes.read(reader), valueCounter: reader.u48() }
    })
    core.outbox.messages.batches.head(out, question, named)
    this.options.onWork()
    return true
  }

  onWantPart(from: number, question: number, part: number): void {
    const served = this.find(from, question)
    if (served === undefined) {
      this.refuse(from, question, true)
      return
    }
    if (served.nextPart !== part || served.isReading) return
    served.askedAtMs = this.core.nowMs
    served.isWanted = true
    this.advance()
  }

  onDrop(from: number, question: number): void {
    this.release(this.find(from, question))
  }

  /** Called every turn: opens what a flush has brought to the tables, reads what is asked for and due. */
  advance(): void {
    const { nowMs } = this.core
    for (const served of this.served) {
      if (served.flushes === undefined) continue
      if (this.options.flushes() >= served.flushes || nowMs - served.askedAtMs > FLUSH_WAIT_MS) this.open(served)
    }
    for (const served of this.served) if (served.isWanted && !served.isReading && this.budget.isDue(nowMs)) this.read(served)
  }

  private read(served: Served): void {
    served.isWanted = false
    served.isReading = true
    this.engine.snapshotRead(served.handle as number, SNAPSHOT_PART_BYTES).then(
      (bytes) => this.send(served, bytes),
      () => this.fail(served),
    )
  }

  private send(served: Served, bytes: Uint8Array): void {
    if (!this.served.includes(served)) return
    const { core } = this
    served.isReading = false
    this.budget.take(bytes.length, core.nowMs)
    const out = core.outbox.now(served.to)
    const waitMs = Math.min(MOST_SYNC_WAIT_MS, Math.round(this.options.syncWaitMs()))
    if (out !== undefined) core.outbox.messages.batches.part(out, served.question, served.nextPart, waitMs, bytes)
    served.nextPart++
    if (bytes.length === 0 || out === undefined) this.release(served)
    this.options.onWork()
  }

  private fail(served: Served): void {
    if (!this.served.includes(served)) return
    this.release(served)
    this.refuse(served.to, served.question, false)
  }

  /** It lets the asker try elsewhere at once. */
  private refuse(to: number, question: number, isBusy: boolean): void {
    const out = this.core.outbox.now(to)
    if (out !== undefined) this.core.outbox.messages.batches.gone(out, question, isBusy)
    this.options.onWork()
  }

  private find(to: number, question: number): Served | undefined {
    return this.served.find((one) => one.to === to && one.question === question)
  }

  private release(served: Served | undefined): void {
    if (served === undefined) return
    this.served = this.served.filter((one) => one !== served)
    if (served.handle !== undefined) this.engine.snapshotClose(served.handle)
  }

  onPeerLost(replica: number): void {
    for (const served of this.served) if (served.to === replica) this.release(served)
  }

  sweep(): void {
    if (this.served.length > 0 && this.options.isStrained()) this.options.rate.noteTrouble(this.core.nowMs)
    for (const served of this.served) if (this.core.nowMs - served.askedAtMs > SERVED_IDLE_MS) this.release(served)
    this.advance()
  }
}
