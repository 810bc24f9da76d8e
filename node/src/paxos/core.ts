/**
 * What acceptor, proposer, learner and reader of one replica share: the blocks, who may be counted, the lists of blocks
 * that need attention, and the ports to log, peers and engine. Pure: time is handed in by `nowMs`, chance by `random`.
 */
import { BLOCK_COUNT, type ByteWriter } from '@thermocline/protocol'
import { BlockSet } from './block-set.ts'
import { BlockState, NO_ROUND, Phase } from './block-state.ts'
import type { MessageWriter } from './messages.ts'
import type { PendingWrite } from './pending.ts'
import type { ProcessRef, ProcessTable } from './processes.ts'
import { Quorums } from './quorums.ts'

/** Records for the shared log. Each returns the number of the write that will carry it. */
export interface LogSink {
  promise(block: number, instance: number, round: number, process: ProcessRef): number
  accept(
    block: number,
    instance: number,
    round: number,
    process: ProcessRef,
    prevProcess: ProcessRef,
    prevCounter: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): number
  /** A chosen entry that came from a peer. */
  learned(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): number
  /** A chosen mark: rides in the next write (⚖11). */
  chosen(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number): void
  /** The last write known durable. */
  readonly durableWrite: number
}

/** Frames being filled for peers. A writer is undefined while the peer is not connected. */
export interface Outbox {
  readonly messages: MessageWriter
  /** Leaves at the end of this turn. */
  now(replica: number): ByteWriter | undefined
  /** Leaves once log write `write` is durable, at once if it is: for votes (⚖4). */
  afterSync(replica: number, write: number): ByteWriter | undefined
}

/** A chosen entry to apply; `writes` are this process's own requests in it, to be answered. */
export interface ChosenEntry {
  readonly block: number
  readonly index: number
  readonly valueProcess: ProcessRef
  readonly valueCounter: number
  readonly entry: Uint8Array
  readonly writes: PendingWrite[] | undefined
}

/** Builds entries from waiting writes; kv's part. */
export interface EntrySource {
  /**
   * Moves writes from the block's queue into `inFlight` and returns their entry, evaluated at applied `chosen`.
   * Undefined if nothing is left to write, or if the block must wait for a disk read (phase is then `reading`).
   */
  build(state: BlockState): Uint8Array | undefined
  /** An entry without requests. */
  noop(state: BlockState): Uint8Array
  /** Answers a write without an entry. */
  fail(write: PendingWrite, code: 'busy' | 'unknown' | 'unavailable', message: string): void
}

export interface CoreOptions {
  readonly processes: ProcessTable
  readonly self: ProcessRef
  readonly replica: number
  readonly replicaCount: number
  readonly log: LogSink
  readonly outbox: Outbox
  readonly random: () => number
  /** Replicas of a block in priority order. */
  readonly priority: (block: number) => readonly number[]
  /** Blocks this replica votes in at the start; all of them unless it is to learn first (design §4.4). */
  readonly votes?: BlockSet
  /**
   * The log write that makes durable what is remembered of a peer's log end; one that has gone if it is durable. A vote of
   * that peer counts only then (⚖5): else a rolled-back volume of the peer would pass unnoticed after a crash here.
   */
  readonly remember: (peer: number) => number
  /** What is wrong with an entry that a peer sent; undefined if nothing is (node/src/engine/port.ts). */
  readonly checkEntry: (block: number, instance: number, entry: Uint8Array) => string | undefined
  /** Called with what breaks the protocol's rules and was ignored. */
  readonly violation: (what: string) => void
}

export class Core {
  readonly processes: ProcessTable
  readonly self: ProcessRef
  readonly replica: number
  readonly replicaCount: number
  readonly quorum: number
  readonly log: LogSink
  readonly outbox: Outbox
  readonly random: () => number
  readonly priority: (block: number) => readonly number[]
  readonly violation: (what: string) => void
  private readonly checkEntry: CoreOptions['checkEntry']
  readonly remember: (peer: number) => number

  /** Blocks this replica votes in. It only grows within a process life, and a block in it is in force: durably so. */
  readonly votes: BlockSet
  /** The same of each peer, as it last said on the connection that stands; empty if it has not yet. */
  readonly peerVotes: BlockSet[]
  private readonly states: (BlockState | undefined)[] = new Array(BLOCK_COUNT)
  readonly known: BlockState[] = []

  nowMs = 0
  /** False before the start and after the end: nothing is learned, promised, accepted or served. */
  isActive = false
  /** The log or the memory component can take nothing more for now: nothing new is accepted, learned or proposed. */
  isChoked = false
  /** Bit r: replica r's connected process is there to be counted (⚖5); the own bit is set while `isActive`. See `setCountable`. */
  countable = 0
  private readonly quorums: Quorums
  /** Bit r: replica r is connected and was heard of lately; the own bit is always set. */
  live: number
  /** Process on the other end of each peer's checked connection. */
  readonly peerProcess: ProcessRef[]

  /** Chosen and to be applied, in order. */
  chosenEntries: ChosenEntry[] = []
  /** Blocks whose proposer may be able to go on, at the end of this turn. */
  ready: BlockState[] = []
  /** Blocks with an open instance, an attempt or waiting writes. */
  open: BlockState[] = []
  /** Blocks known to lack chosen entries. */
  behind: BlockState[] = []
  /** Blocks whose last chosen index peers may not know. */
  notices: BlockState[] = []
  /** Blocks whose last chosen mark is not in the log. */
  marks: BlockState[] = []
  valueCounter = 0
  chosenTotal = 0
  chosenHash = 0
  readonly counters = {
    fastAccepts: 0,
    prepares: 0,
    refused: 0,
    chosen: 0,
    noops: 0,
    settles: 0,
    fetches: 0,
    rounds: 0,
    proven: 0,
    resends: 0,
    displaced: 0,
    /** Attempts that a promise bound to another's value. */
    bound: 0,
    /** Attempts given up because the own acceptor had promised a higher ballot meanwhile. */
    outbid: 0,
    /** Values learned chosen from a notice, from the Accept of the next instance. */
    noticed: 0,
    provenByNext: 0,
    /** Prepares and Accepts that came before what they rest on. */
    behind: 0,
  }

  constructor(options: CoreOptions) {
    this.processes = options.processes
    this.self = options.self
    this.replica = options.replica
    this.replicaCount = options.replicaCount
    this.quorum = (options.replicaCount >> 1) + 1
    this.quorums = new Quorums(options.replica, options.replicaCount)
    this.log = options.log
    this.outbox = options.outbox
    this.random = options.random
    this.priority = options.priority
    this.violation = options.violation
    this.checkEntry = options.checkEntry
    this.remember = options.remember
    this.votes = options.votes ?? BlockSet.full()
    this.peerVotes = Array.from({ length: options.replicaCount }, () => new BlockSet())
    this.live = 1 << options.replica
    this.peerProcess = new Array(options.replicaCount).fill(0)
  }

  block(block: number): BlockState {
    const known = this.states[block]
    if (known !== undefined) return known
    const state = new BlockState(block)
    state.isVoter = this.votes.has(block)
    this.states[block] = state
    this.known.push(state)
    return state
  }

  /** The block's state if it was ever touched. */
  peek(block: number): BlockState | undefined {
    return this.states[block]
  }

  /** @param conflicts by replica: bits of those of which it names a later incarnation than the one that is there. */
  setCountable(countable: number, conflicts: readonly number[] = []): void {
    this.countable = countable
    this.quorums.update(countable, conflicts)
  }

  isQuorum(votes: number): boolean {
    return this.quorums.has(votes)
  }

  /** A quorum with this replica in it. */
  isReadQuorum(votes: number): boolean {
    return this.quorums.hasOwn(votes)
  }

  /** Bits of the votes that count together. */
  counted(votes: number): number {
    return this.quorums.counted(votes)
  }

  /** True if `replica` is known to vote in the block: only what such a one says of it counts. */
  votesIn(replica: number, block: number): boolean {
    return (replica === this.replica ? this.votes : (this.peerVotes[replica] as BlockSet)).has(block)
  }

  /** The votes of those that vote in the block. */
  votersAmong(votes: number, block: number): number {
    let among = votes
    for (let replica = 0; replica < this.replicaCount; replica++) if (!this.votesIn(replica, block)) among &= ~(1 << replica)
    return among
  }

  /** The first replica in the block's priority order that is live and votes in it; this one at worst. */
  bestLive(block: number): number {
    for (const replica of this.priority(block)) if ((this.live & (1 << replica)) !== 0 && this.votesIn(replica, block)) return replica
    return this.replica
  }

  /** Whether an entry that `from` sent may become entry `instance` of the block. One that may not is told as a violation. */
  isSound(from: number, block: number, instance: number, entry: Uint8Array): boolean {
    const wrong = this.checkEntry(block, instance, entry)
    if (wrong === undefined) return true
    this.violation(`replica ${from} sent as block ${block} instance ${instance} what is no entry of it: ${wrong}`)
    return false
  }

  markReady(state: BlockState): void {
    if (state.inReady) return
    state.inReady = true
    this.ready.push(state)
  }

  markOpen(state: BlockState): void {
    if (state.inOpen) return
    state.inOpen = true
    this.open.push(state)
  }

  /** Puts the block's chosen mark into the log now: a record that follows it there rests on it at replay. */
  writeMark(state: BlockState): void {
    if (!state.markPending) return
    state.markPending = false
    this.log.chosen(state.block, state.chosen, state.chosenProcess, state.chosenCounter)
  }

  /** Puts all pending marks into the log: they ride in a write that something else causes (⚖11). */
  writeMarks(): void {
    for (const state of this.marks) this.writeMark(state)
    this.marks = []
  }

  /** Peers may not know the block's last chosen index: they are told, unless a later Accept tells them first. */
  notify(state: BlockState): void {
    if (state.noticePending) return
    state.noticePending = true
    this.notices.push(state)
  }

  noteBehind(state: BlockState, chosen: number): void {
    if (chosen > state.knownChosen) state.knownChosen = chosen
    if (state.inBehind || state.knownChosen <= state.chosen) return
    state.inBehind = true
    this.behind.push(state)
  }

  /** Something of the block is unfinished: it stays on the list that the sweep walks. */
  isOpen(state: BlockState): boolean {
    return (
      state.acceptedRound !== NO_ROUND || state.phase !== Phase.idle || state.queue.length > 0 || state.inFlight.length > 0 || state.settle
    )
  }
}

/** A block's share of `chosenHash` per chosen entry: an odd multiplier spread over 32 bits. */
export function positionHash(block: number): number {
  return Math.imul(block * 2 + 1, 0x9e3779b1) | 0
}
