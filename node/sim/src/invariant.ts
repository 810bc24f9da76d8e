/**
 * An invariant of the simulation: one file in `invariants/` each, named as it is reported. It sees events as they happen
 * (`on…`), and the run's end. It throws a `Violation` of its name, and never changes anything.
 */
import type { Incarnation } from '@thermocline/protocol'
import type { Engine } from '../../src/engine/mod.ts'
import type { ModelAnswer, ModelBlock } from '../../src/engine/model.ts'
import type { BlockState } from '../../src/paxos/block-state.ts'
import type { Core } from '../../src/paxos/core.ts'
import type { ProcessRef } from '../../src/paxos/processes.ts'
import type { Ballot, Names } from './ballot-ledger.ts'
import type { HistoryRecord } from './history.ts'
import type { SimVolume } from './volume.ts'

/**
 * A promise or an accept that a replica puts into its log, or an entry that it has learned from a peer, which is no vote
 * but stands beside them. Processes are refs of the run's own table.
 */
export interface Vote {
  readonly kind: 'promise' | 'accept' | 'learned'
  readonly replica: number
  readonly incarnation: Incarnation
  /** The incarnations that the replica names as it casts the vote. */
  readonly names: Names
  readonly volume: SimVolume
  readonly block: number
  readonly instance: number
  readonly round: number
  readonly process: ProcessRef
  /** Value of an accept or of a learned entry, as `process#counter`. */
  readonly value: string
  /** The log write that carries it. */
  readonly write: number
  /** The replica's state of the block. */
  readonly state: BlockState
  /** The ballot as all volumes know it. */
  readonly ballot: Ballot
}

/** A vote that a proposer has taken. */
export interface CountedVote {
  readonly replica: number
  /** Of the process whose message it came by. */
  readonly incarnation: Incarnation
  /** It would count if the votes at hand were a majority. */
  readonly isCountable: boolean
}

/** A learner takes a peer's answer to its question for barriers. */
export interface BarrierTaken {
  readonly learner: number
  readonly incarnation: Incarnation
  readonly from: number
  /** The latest incarnation of the learner that the peer's disk durably names. */
  readonly durablyNamed: Incarnation | undefined
}

/** A proposer's running attempt, and whose votes it has counted. */
export interface Attempt {
  readonly replica: number
  /** The proposer's. */
  readonly volume: SimVolume
  readonly block: number
  readonly instance: number
  readonly round: number
  readonly kind: 'promise' | 'accept'
  readonly votes: readonly CountedVote[]
  /** The incarnations that the proposer names. */
  readonly names: Names
  readonly ballot: Ballot
}

/** A replica has applied an entry. */
export interface Applied {
  readonly replica: number
  readonly block: number
  readonly index: number
  /** The index it applied before, in this life or on its disk. */
  readonly last: number
  readonly value: string
  readonly entry: Uint8Array
  /** Digest of the block at `index`; undefined if the engine is further already. */
  readonly digest: string | undefined
}

/** A request in a decided entry, as the model answers it. */
export interface Effect {
  readonly block: number
  readonly requestId: string
  readonly answer: ModelAnswer
  /** What its conditions come to in the state before the entry. */
  readonly expected: number
  /** What the request came to when it first took effect, if it did before. */
  readonly first: ModelAnswer | undefined
}

export interface Invariant {
  readonly name: string
  /** A process has replayed its log, and will vote from now on if `core.isActive`. */
  onServing?(replica: number, volume: SimVolume, core: Core): void
  onCrash?(volume: SimVolume): void
  onVote?(vote: Vote): void
  /** The vote's write has returned, or a later process has found it and made it durable. */
  onDurableVote?(vote: Vote): void
  /** A record that carries an entry is durable: an accept, or a learned entry. */
  onDurableEntry?(record: Vote): void
  /** A log segment begins anew: the writes that stood in it are gone. */
  onRecycled?(replica: number, volume: SimVolume, writes: ReadonlySet<number>, engine: Engine): void
  /** A proposer has taken a vote for its running attempt, has a majority, or a peer of it has connected. */
  onCounted?(attempt: Attempt): void
  onBarrierTaken?(taken: BarrierTaken): void
  /** A replica hands an entry to a peer as chosen. */
  onServed?(replica: number, volume: SimVolume, block: number, index: number, value: string): void
  onApplied?(applied: Applied): void
  /** A replica warns. */
  onWarning?(what: string, fields: Record<string, unknown>): void
  /** A replica sets a block aside, whose content there is wrong or not. */
  onSetAside?(replica: number, block: number, isWrong: boolean): void
  /** A replica was told that its volume must not vote. */
  onRejected?(replica: number, message: string): void
  /** A process has ended by an error of its own. */
  onFailure?(replica: number, error: Error): void
  /** A process could not start on a volume that nothing has damaged. */
  onRefusedStart?(replica: number, error: Error): void
  /** Nothing is open any more: each replica's digest of the block at `index`. */
  onQuiet?(block: number, index: number, digests: readonly string[]): void
  /** Then, the blocks that a replica takes for behind. */
  onEnd?(replica: number, behind: readonly BlockState[]): void
  /** At the end, for each block: its history, oldest first, and how many entries were decided. */
  onBlock?(block: number, records: readonly HistoryRecord[], decided: number): void
  /** Then the decided entries are replayed through the model: the state after each index, from 0 on … */
  onState?(block: number, model: ModelBlock): void
  /** … and each request in them. */
  onEffect?(effect: Effect): void
  /** Nothing of the block is left. `effects` are first answers by request id. */
  onBlockEnd?(block: number, records: readonly HistoryRecord[], effects: ReadonlyMap<string, ModelAnswer>): void
}
