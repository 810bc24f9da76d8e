/** What clients did and were told. */
import type { Outcome } from '@thermocline/protocol'
import type { ModelBlock } from '../../src/engine/model.ts'

export interface WriteRecord {
  readonly kind: 'write'
  readonly block: number
  readonly requestId: string
  readonly startMs: number
  endMs: number
  /** The answer's index, 0 if it failed or is not known. */
  index: number
  outcome: Outcome
  error: number
  /** Answers that named an index: all must be the same, whenever and wherever the request was sent again. */
  readonly answers: { readonly index: number; readonly error: number }[]
  /** What the conditions of the write come to in the state it is evaluated in: 0, or an error number. */
  readonly expected: (model: ModelBlock) => number
}

export interface ReadRecord {
  readonly kind: 'read'
  readonly block: number
  readonly startMs: number
  endMs: number
  index: number
  readonly series: string
  readonly id: bigint
  version: number
  value: string | undefined
}

export type HistoryRecord = WriteRecord | ReadRecord
