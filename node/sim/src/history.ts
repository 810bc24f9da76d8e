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
  /** What the caller was told by the library that no answer to it says. */
  contradiction: string | undefined
  /** What the conditions of the write come to in the state it is evaluated in: 0, or an error number. */
  readonly expected: (model: ModelBlock) => number
}

export interface ReadRecord {
  readonly kind: 'read'
  readonly block: number
  readonly startMs: number
  readonly endMs: number
  readonly index: number
  /** How what was read differs from the state after `index`; undefined if it does not. */
  readonly mismatch: (model: ModelBlock) => string | undefined
}

export type HistoryRecord = WriteRecord | ReadRecord
