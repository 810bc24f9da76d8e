/**
 * One write of a client: what it was sent as, what was answered to that, and what the caller was told in the end. The library stamps a
 * write that has expired anew, as another request: each is a record of its own, and an earlier one must never take effect.
 */
import { ERRORS, type Outcome, type ThermoclineError, type WriteOp } from '@thermocline/protocol'
import type { HistoryRecord, WriteRecord } from './history.ts'
import { expectedOutcome } from './operations.ts'

const REQUEST_ID_BYTES = 16

export interface Write {
  readonly series: string
  readonly block: number
  readonly ops: readonly WriteOp[]
  readonly startMs: number
}

export function recordOf({ series, block, ops, startMs }: Write, body: Uint8Array): WriteRecord {
  return {
    kind: 'write',
    block,
    requestId: Buffer.from(body.subarray(0, REQUEST_ID_BYTES)).toString('hex'),
    startMs,
    endMs: Number.POSITIVE_INFINITY,
    index: 0,
    outcome: 'maybe',
    error: 0,
    answers: [],
    contradiction: undefined,
    expected: (model) => expectedOutcome(model, series, ops),
  }
}

/** Takes an answer that says what became of a write; false if it is none. */
export function takeAnswer(record: WriteRecord, error: number, index: number, nowMs: number): boolean {
  if (error !== 0 && error !== ERRORS.precondition_failed.number) return false
  record.answers.push({ index, error })
  if (record.index > 0) return true
  record.endMs = nowMs
  record.index = index
  record.error = error
  return true
}

export class WriteAttempts {
  private readonly write: Write
  private readonly history: HistoryRecord[]
  /** The record of the newest request id; undefined as long as nothing was sent. */
  record: WriteRecord | undefined
  body: Uint8Array = new Uint8Array(0)
  /** Others have sent the same request, and the library does not know what became of that. */
  wasSentByOthers = false

  constructor(write: Write, history: HistoryRecord[]) {
    this.write = write
    this.history = history
  }

  onSent(body: Uint8Array): void {
    const record = recordOf(this.write, body)
    if (record.requestId === this.record?.requestId) return
    // The library takes none of the attempts before for applied.
    if (this.record !== undefined) this.end('not', ERRORS.expired.number)
    this.wasSentByOthers = false
    this.record = record
    this.body = body
    this.history.push(record)
  }

  onAnswer(error: number, index: number, nowMs: number): void {
    if (this.record !== undefined) takeAnswer(this.record, error, index, nowMs)
  }

  /** The caller was told that the write took place at `index`. */
  onDone(index: number): void {
    const { record } = this
    if (record !== undefined && (record.index !== index || record.error !== 0)) this.contradict(record, `that it took place at ${index}`)
  }

  /** The caller was told an error. Returns what of it. */
  onFailed({ code, outcome }: ThermoclineError): 'condition failed' | 'refused' | 'unknown' {
    const { record } = this
    if (code === 'precondition_failed') {
      if (record?.error !== ERRORS.precondition_failed.number && record !== undefined) this.contradict(record, 'that its condition failed')
      return 'condition failed'
    }
    const isAnswered = record !== undefined && record.index > 0
    if (isAnswered && outcome === 'not' && !this.wasSentByOthers) this.contradict(record, `that it did not take place (${code})`)
    this.end(outcome, ERRORS[code].number)
    return outcome === 'not' ? 'refused' : 'unknown'
  }

  private contradict(record: WriteRecord, told: string): void {
    record.contradiction = `it was told ${told}; the last answer before had index ${record.index} and error ${record.error}`
  }

  private end(outcome: Outcome, error: number): void {
    const { record } = this
    if (record === undefined || record.index > 0) return
    record.outcome = this.wasSentByOthers ? 'maybe' : outcome
    record.error = error
  }
}
