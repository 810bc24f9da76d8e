/**
 * Block snapshots between replicas, for a block whose missing entries no peer's log holds any more. The receiver pulls
 * part after part, a few blocks at a time, so that the copy is paced by what it can install.
 *
 * ⚖13: a durable `copyBegin` precedes the first change and a `copyEnd` follows the last; a block with a begin and no end
 * is copied again. While it is copied the block neither votes nor serves here. What the acceptor had promised for
 * instances that the snapshot passes is superseded by it.
 */
import { ByteReader, ThermoclineError } from '@thermocline/protocol'
import type { BlockPosition, Engine } from '../engine/port.ts'
import type { BlockState } from '../paxos/block-state.ts'
import { COPY_BYTES_PER_SECOND, SNAPSHOT_PART_BYTES } from '../paxos/constants.ts'
import type { Core } from '../paxos/core.ts'
import { NO_PROCESS, type ProcessRef } from '../paxos/processes.ts'
import type { SharedLog } from '../wal/shared-log.ts'
import { moveTo } from './recovery.ts'

/** Blocks being copied to this replica at once. */
const MAX_COPIES = 2
/** Snapshots open for peers at once. */
const MAX_SERVED = 8
/** A copy whose next part does not come starts over, from another peer. */
const PART_TIMEOUT_MS = 5000
/** A snapshot that its asker does not ask on for is let go: it pins files. */
const SERVED_IDLE_MS = 2 * PART_TIMEOUT_MS
/** A peer that could not give a part is not asked for a copy again before this: another one may have it. */
const PEER_PAUSE_MS = 200
/** After a copy that could not be installed here, none starts before this: a full disk does not empty in a tick. */
const INSTALL_PAUSE_MS = 1000

interface Served {
  readonly to: number
  readonly block: number
  readonly handle: number
  readonly index: number
  readonly valueProcess: ProcessRef
  readonly valueCounter: number
  nextPart: number
  askedAtMs: number
}

interface Copy {
  readonly state: BlockState
  readonly from: number
  part: number
  askedAtMs: number
  /** Not before this: copies are paced. */
  resumeAtMs: number
  phase: 'logging' | 'pausing' | 'asking' | 'installing'
  beginWrite: number
}

export class Copier {
  private readonly core: Core
  private readonly engine: Engine
  private readonly log: SharedLog
  private readonly abandon: (state: BlockState) => void
  private readonly onWork: () => void
  private readonly wantFlush: () => void
  private readonly served: Served[] = []
  private readonly copies = new Map<number, Copy>()
  /** When all that was taken in so far would have been, at the bound of the rate. */
  private paidUntilMs = 0
  /** No copy begins before this, and none from a peer before its own. */
  private pausedUntilMs = 0
  private readonly peerPausedUntilMs: number[]
  copied = 0
  copiedBytes = 0
  failures = 0

  constructor(core: Core, engine: Engine, log: SharedLog, abandon: (state: BlockState) => void, onWork: () => void, wantFlush: () => void) {
    this.core = core
    this.engine = engine
    this.log = log
    this.abandon = abandon
    this.onWork = onWork
    this.wantFlush = wantFlush
    this.peerPausedUntilMs = new Array(core.replicaCount).fill(0)
  }

  get copying(): number {
    return this.copies.size
  }

  /** Starts copying a block from a peer; if too many are under way, or one has just failed, a later sweep asks again. */
  start(state: BlockState, from: number): void {
    if (this.copies.has(state.block) || this.copies.size >= MAX_COPIES) return
    if (this.core.nowMs < Math.max(this.pausedUntilMs, this.peerPausedUntilMs[from] as number)) return
    // An attempt belongs to its instance, which the snapshot will pass.
    this.abandon(state)
    state.isCopying = true
    const beginWrite = this.log.copyBegin(state.block)
    this.copies.set(state.block, { state, from, part: 0, askedAtMs: this.core.nowMs, resumeAtMs: 0, phase: 'logging', beginWrite })
    this.onWork()
  }

  /** Called every turn: copies whose begin is durable may change the engine. */
  advance(): void {
    for (const copy of this.copies.values()) {
      if (copy.phase === 'pausing' && this.core.nowMs >= copy.resumeAtMs) this.ask(copy)
      if (copy.phase !== 'logging' || this.log.durableWrite < copy.beginWrite) continue
      copy.phase = 'installing'
      this.engine.installBegin(copy.state.block).then(
        () => this.ask(copy),
        (error: unknown) => this.endFailed(copy, error),
      )
    }
  }

  private ask(copy: Copy): void {
    copy.phase = 'asking'
    copy.askedAtMs = this.core.nowMs
    const out = this.core.outbox.now(copy.from)
    if (out === undefined) this.giveUpPeer(copy)
    else this.core.outbox.messages.wantSnapshot(out, copy.state.block, copy.part, lowestUseful(copy.state))
    this.onWork()
  }

  onPart(
    from: number,
    block: number,
    part: number,
    index: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    bytes: Uint8Array,
  ): void {
    const copy = this.copies.get(block)
    if (copy === undefined || copy.phase !== 'asking' || copy.from !== from || copy.part !== part) return
    if (index < lowestUseful(copy.state)) {
      this.giveUpPeer(copy)
      return
    }
    copy.phase = 'installing'
    this.pace(copy, bytes.length)
    if (bytes.length > 0) {
      this.engine.installPart(block, bytes.slice()).then(
        () => {
          copy.part++
          if (this.core.nowMs >= copy.resumeAtMs) this.ask(copy)
          else copy.phase = 'pausing'
        },
        (error: unknown) => this.endFailed(copy, error),
      )
      return
    }
    this.engine.installEnd(block).then(
      (position) => this.finish(copy, position, valueProcess, valueCounter),
      (error: unknown) => this.endFailed(copy, error),
    )
  }

  /** Clients' work comes first: copies take in no more than a bounded rate. */
  private pace(copy: Copy, bytes: number): void {
    const { nowMs } = this.core
    this.copiedBytes += bytes
    copy.resumeAtMs = Math.max(this.paidUntilMs, nowMs)
    this.paidUntilMs = copy.resumeAtMs + (bytes * 1000) / COPY_BYTES_PER_SECOND
  }

  private finish(copy: Copy, position: BlockPosition, valueProcess: ProcessRef, valueCounter: number): void {
    const { state } = copy
    this.copies.delete(state.block)
    state.isCopying = false
    state.needsCopy = false
    state.isSetAside = false
    state.holdAt = 0
    // A copy of what was there already supersedes no promise: a voter may have cast one in the next instance.
    if (position.index > state.chosen) moveTo(this.core, state, position.index, valueProcess, valueCounter)
    state.snapshotIndex = position.index
    state.markPending = false
    this.log.copyEnd(state.block, position.index, valueProcess, valueCounter)
    this.copied++
    this.core.markReady(state)
    this.core.noteBehind(state, state.knownChosen)
    this.onWork()
  }

  private endFailed(copy: Copy, error: unknown): void {
    // What failed its checks came so from the peer.
    const isPeers = error instanceof ThermoclineError && (error.code === 'corrupt' || error.code === 'unsupported_version')
    if (isPeers) {
      this.giveUpPeer(copy)
      return
    }
    this.pausedUntilMs = this.core.nowMs + INSTALL_PAUSE_MS
    this.giveUp(copy)
  }

  private giveUpPeer(copy: Copy): void {
    this.peerPausedUntilMs[copy.from] = this.core.nowMs + PEER_PAUSE_MS
    this.giveUp(copy)
  }

  /** The block stays marked as being copied until a later attempt succeeds: its content is undefined. */
  private giveUp(copy: Copy): void {
    this.failures++
    this.copies.delete(copy.state.block)
    const resume = (): void => {
      copy.state.isCopying = false
      this.core.noteBehind(copy.state, copy.state.knownChosen)
      this.onWork()
    }
    this.engine.installAbort(copy.state.block).then(resume, resume)
  }

  /** A peer asks for a part of a block's snapshot; part 0 opens it. */
  onWant(from: number, block: number, part: number, atLeast: number): void {
    // Snapshots are of what is flushed: the next try finds more.
    if (part === 0 && this.core.votes.has(block) && this.engine.flushedIndex(block) < atLeast && this.core.block(block).chosen >= atLeast)
      this.wantFlush()
    let served = this.served.find((one) => one.to === from && one.block === block)
    if (served !== undefined && part === 0) {
      this.release(served)
      served = undefined
    }
    served ??= part === 0 ? this.open(from, block) : undefined
    if (served === undefined && part === 0) {
      this.refuse(from, block, part)
    }
    if (served === undefined || served.nextPart !== part) return
    const open = served
    open.nextPart++
    open.askedAtMs = this.core.nowMs
    this.engine.snapshotRead(open.handle, SNAPSHOT_PART_BYTES).then(
      (bytes) => {
        const out = this.core.outbox.now(from)
        if (out !== undefined)
          this.core.outbox.messages.snapshotPart(out, block, part, open.index, open.valueProcess, open.valueCounter, bytes)
        if (bytes.length === 0 || out === undefined) this.release(open)
        this.onWork()
      },
      () => {
        this.release(open)
        this.refuse(from, block, part)
      },
    )
  }

  /** There is no snapshot, too many are open, or this one can't be read: index 0 lets the asker try elsewhere at once. */
  private refuse(to: number, block: number, part: number): void {
    const out = this.core.outbox.now(to)
    if (out !== undefined) this.core.outbox.messages.snapshotPart(out, block, part, 0, NO_PROCESS, 0, new Uint8Array(0))
    this.onWork()
  }

  private open(to: number, block: number): Served | undefined {
    if (this.served.length >= MAX_SERVED || !this.core.votes.has(block)) return undefined
    const head = this.engine.snapshotOpen(block)
    if (head === undefined) return undefined
    const reader = new ByteReader(head.valueId)
    const valueProcess = this.core.processes.read(reader)
    const served = {
      to,
      block,
      handle: head.handle,
      index: head.index,
      valueProcess,
      valueCounter: reader.u48(),
      nextPart: 0,
      askedAtMs: this.core.nowMs,
    }
    this.served.push(served)
    return served
  }

  private release(served: Served): void {
    const at = this.served.indexOf(served)
    if (at < 0) return
    this.served.splice(at, 1)
    this.engine.snapshotClose(served.handle)
  }

  onPeerLost(replica: number): void {
    for (const served of this.served.filter((one) => one.to === replica)) this.release(served)
    for (const copy of this.copies.values()) if (copy.from === replica && copy.phase === 'asking') this.giveUpPeer(copy)
  }

  sweep(): void {
    for (const served of this.served.filter((one) => this.core.nowMs - one.askedAtMs > SERVED_IDLE_MS)) this.release(served)
    for (const copy of this.copies.values()) {
      if (copy.phase === 'asking' && this.core.nowMs - copy.askedAtMs > PART_TIMEOUT_MS) this.giveUpPeer(copy)
    }
  }
}

/** Content that is to be replaced is replaced by one of the same index or a later one: `chosen` never goes back. */
function lowestUseful(state: BlockState): number {
  return state.needsCopy ? Math.max(state.chosen, 1) : state.chosen + 1
}
