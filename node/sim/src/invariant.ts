/**
 * An invariant of the simulation: one file in `invariants/` each, named as it is reported. It sees events as they happen
 * (`on…`), and the run's end. It throws a `Violation` of its name, and never changes anything.
 */
import type { ModelAnswer, ModelBlock } from '../../src/engine/model.ts'
import type { BlockState } from '../../src/paxos/block-state.ts'
import type { Core } from '../../src/paxos/core.ts'
import type { ProcessRef } from '../../src/paxos/processes.ts'
import type { Ballot } from './ballot-ledger.ts'
import type { HistoryRecord } from './history.ts'
import type { SimVolume } from './volume.ts'

/** A promise or an accept that a replica puts into its log. Processes are refs of the run's own table. */
export interface Vote {
  readonly kind: 'promise' | 'accept'
  readonly replica: number
  readonly volume: SimVolume
  readonly block: number
  readonly instance: number
  readonly round: number
  readonly process: ProcessRef
  /** Of an accept: its value, as `process#counter`. */
  readonly value: string
  /** The log write that carries it. */
  readonly write: number
  /** The replica's state of the block. */
  readonly state: BlockState
  /** The ballot as all volumes know it. */
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
  onApplied?(applied: Applied): void
  /** A replica warns. */
  onWarning?(what: string, fields: Record<string, unknown>): void
  /** A replica was told that its volume must not vote. */
  onRejected?(replica: number, message: string): void
  /** A process has ended by an error of its own. */
  onFailure?(replica: number, error: Error): void
  /** A process could not start on a volume that nothing has damaged. */
  onRefusedStart?(replica: number, error: Error): void
  /** Nothing is open any more: each replica's digest of the block at `index`. */
  onQuiet?(block: number, index: number, digests: readonly string[]): void
  /** At the end, for each block: its history, oldest first, and how many entries were decided. */
  onBlock?(block: number, records: readonly HistoryRecord[], decided: number): void
  /** Then the decided entries are replayed through the model: the state after each index, from 0 on … */
  onState?(block: number, model: ModelBlock): void
  /** … and each request in them. */
  onEffect?(effect: Effect): void
  /** Nothing of the block is left. `effects` are first answers by request id. */
  onBlockEnd?(block: number, records: readonly HistoryRecord[], effects: ReadonlyMap<string, ModelAnswer>): void
}
