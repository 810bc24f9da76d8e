/**
 * What must hold in every run, whatever the faults.
 *
 * - One value per instance; what was chosen never changes: every replica, in every life, applies the same value under
 *   the same index of a block, one after the other.
 * - Linearizable: every answer names an index. A write takes effect at its index; a read sees the block as it is after
 *   the index it names. The order of indexes is a witness: it must agree with real time, and replaying the decided
 *   entries through the model must give every answer that a client got. (A history with such a witness is linearizable;
 *   one without is a bug in the store or in what it answers.)
 * - An error says the truth: a write refused with outcome `not` is never in effect, no write is in effect twice.
 */
import { ByteReader, ERRORS, type Outcome, readEntry } from '@thermocline/protocol'
import { type ModelAnswer, ModelBlock, type ModelRequest } from '../../src/engine/model.ts'
import type { ChosenEntry } from '../../src/paxos/core.ts'
import type { ProcessTable } from '../../src/paxos/processes.ts'

export class Violation extends Error {
  override readonly name = 'Violation'
  readonly invariant: string

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`)
    this.invariant = invariant
  }
}

interface Decided {
  readonly valueId: string
  readonly entry: Uint8Array
  readonly atMs: number
}

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

export class Oracle {
  private readonly decided = new Map<number, Decided[]>()
  readonly history: HistoryRecord[] = []
  private readonly sliceDurationMs: number

  constructor(sliceDurationMs: number) {
    this.sliceDurationMs = sliceDurationMs
  }

  /** A replica applies an entry; `last` is the index it applied before, in this life or on its disk. */
  onApply(
    replica: number,
    { block, index, valueProcess, valueCounter, entry }: ChosenEntry,
    processes: ProcessTable,
    last: number,
    nowMs: number,
  ): void {
    if (index !== last + 1) throw new Violation('applied-in-order', `replica ${replica} applied ${index} of block ${block} after ${last}`)
    let log = this.decided.get(block)
    if (log === undefined) {
      log = []
      this.decided.set(block, log)
    }
    const valueId = `${processes.format(valueProcess)}#${valueCounter}`
    const known = log[index - 1]
    if (known === undefined) {
      if (log.length !== index - 1)
        throw new Violation('applied-in-order', `replica ${replica} applied ${index} of block ${block}; only ${log.length} were seen`)
      log.push({ valueId, entry: entry.slice(), atMs: nowMs })
      return
    }
    if (known.valueId !== valueId || !same(known.entry, entry)) {
      throw new Violation(
        'one-value-per-instance',
        `replica ${replica} applied ${valueId} as ${index} of block ${block}; ${known.valueId} was applied before`,
      )
    }
  }

  lastIndex(block: number): number {
    return this.decided.get(block)?.length ?? 0
  }

  get blocks(): number[] {
    return [...this.decided.keys()]
  }

  /** Checks the whole history against the decided entries. */
  check(): void {
    const byBlock = new Map<number, HistoryRecord[]>()
    for (const record of this.history) {
      const list = byBlock.get(record.block)
      if (list === undefined) byBlock.set(record.block, [record])
      else list.push(record)
    }
    for (const [block, records] of byBlock) {
      this.checkRealTime(block, records)
      this.replay(block, records)
    }
  }

  /** The witness order agrees with real time: what ended before something began comes before it. */
  private checkRealTime(block: number, records: HistoryRecord[]): void {
    const finished = records.filter((record) => record.index > 0).sort((a, b) => a.endMs - b.endMs)
    const started = records.filter((record) => record.index > 0 || record.kind === 'read').sort((a, b) => a.startMs - b.startMs)
    let at = 0
    let floor = 0
    for (const record of started) {
      for (; at < finished.length && (finished[at] as HistoryRecord).endMs < record.startMs; at++)
        floor = Math.max(floor, (finished[at] as HistoryRecord).index)
      if (record.index < floor || (record.kind === 'write' && record.index === floor && this.startsLater(record, finished, at))) {
        throw new Violation(
          'linearizable',
          `block ${block}: a ${record.kind} that began at ${record.startMs.toFixed(2)} ms took place at index ${record.index}, but index ${floor} had been answered before`,
        )
      }
    }
  }

  /** A write may share an entry with one that ended before only if they are the same request. */
  private startsLater(record: WriteRecord, finished: HistoryRecord[], before: number): boolean {
    return finished
      .slice(0, before)
      .some((other) => other.index === record.index && !(other.kind === 'write' && other.requestId === record.requestId))
  }

  private replay(block: number, records: HistoryRecord[]): void {
    const model = new ModelBlock(this.sliceDurationMs)
    const reads = records.filter((record): record is ReadRecord => record.kind === 'read').sort((a, b) => a.index - b.index)
    const first = new Map<string, ModelAnswer>()
    const log = this.decided.get(block) ?? []
    const writes = new Map(records.map((record) => [record.kind === 'write' ? record.requestId : '', record]))
    let next = this.checkReads(block, model, reads, 0)
    for (const { entry } of log) {
      const decoded = readEntry(new ByteReader(entry))
      const requests = decoded.requests.map(toModelRequest)
      const expected = requests.map((request) => {
        const write = writes.get(Buffer.from(request.requestId).toString('hex'))
        return write?.kind === 'write' ? write.expected(model) : request.outcome
      })
      const answers = model.apply(decoded.horizon, requests)
      requests.forEach((request, i) => {
        const id = Buffer.from(request.requestId).toString('hex')
        const answer = answers[i] as ModelAnswer
        const isRefused = answer.outcome === ERRORS.expired.number || answer.outcome === ERRORS.bad_stamp.number
        if (isRefused) return
        const known = first.get(id)
        if (known !== undefined && known.index !== answer.index) {
          throw new Violation('applied-once', `block ${block}: request ${id} took effect at index ${known.index} and at ${answer.index}`)
        }
        if (known === undefined && answer.outcome !== expected[i]) {
          throw new Violation(
            'conditions',
            `block ${block} index ${answer.index}: request ${id} came out as ${answer.outcome}; its conditions come to ${expected[i]}`,
          )
        }
        first.set(id, answer)
      })
      next = this.checkReads(block, model, reads, next)
    }
    if (next < reads.length)
      throw new Violation('linearizable', `block ${block}: a read names index ${reads[next]?.index}, but only ${log.length} were decided`)
    for (const record of records) if (record.kind === 'write') checkWrite(record, first.get(record.requestId))
  }

  private checkReads(block: number, model: ModelBlock, reads: ReadRecord[], from: number): number {
    let at = from
    for (; at < reads.length && (reads[at] as ReadRecord).index === model.index; at++) {
      const read = reads[at] as ReadRecord
      const record = model.get(read.series, read.id)
      const value = record === undefined ? undefined : Buffer.from(record.value).toString()
      if ((record?.version ?? 0) !== read.version || value !== read.value) {
        throw new Violation(
          'linearizable',
          `block ${block} at index ${read.index}: ${read.series} ${read.id} was read as version ${read.version} ${read.value}; it is version ${record?.version ?? 0} ${value}`,
        )
      }
    }
    return at
  }
}

function checkWrite(record: WriteRecord, effect: ModelAnswer | undefined): void {
  const what = `block ${record.block}: request ${record.requestId}`
  if (record.index > 0) {
    if (effect === undefined)
      throw new Violation('acknowledged-is-kept', `${what} was answered with index ${record.index}, but no decided entry holds it`)
    if (effect.index !== record.index || effect.outcome !== record.error) {
      throw new Violation(
        'first-answer',
        `${what} was answered ${record.error} at ${record.index}; it took effect as ${effect.outcome} at ${effect.index}`,
      )
    }
  } else if (record.outcome === 'not' && effect !== undefined) {
    throw new Violation(
      'refused-is-not-applied',
      `${what} was refused with error ${record.error}, but took effect at index ${effect.index}`,
    )
  }
}

function toModelRequest(request: ReturnType<typeof readEntry>['requests'][number]): ModelRequest {
  return {
    requestId: request.requestId,
    stamp: request.stamp,
    outcome: request.outcome,
    detail: request.detail,
    series: Buffer.from(request.series).toString(),
    ops: request.ops.map(({ kind, id, value }) => ({ kind, id: Buffer.from(id).readBigUInt64BE(), value })),
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
