/** What gets settle: one record, or records of many series at once, with one promise for all of them. */
import { type ByteReader, formatRecordId, type RecordId, readGetValue, type ThermoclineError } from '@thermocline/protocol'
import type { GetCall, GetSink } from './calls.ts'
import type { SeriesKey } from './series.ts'

export interface StoredRecord {
  /** `<ms>-<seq>` */
  readonly id: string
  /** The log index that wrote it: grows with every change, for `ifVersion`. */
  readonly version: number
  readonly value: Uint8Array
}

function readRecord(id: RecordId, reader: ByteReader): StoredRecord | undefined {
  const { version, value } = readGetValue(reader)
  return version === 0 ? undefined : { id: formatRecordId(id), version, value }
}

export class OneGet implements GetSink {
  readonly promise: Promise<StoredRecord | undefined>
  private resolve!: (record: StoredRecord | undefined) => void
  fail!: (error: ThermoclineError) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.fail = reject
    })
  }

  take({ ids }: GetCall, reader: ByteReader): void {
    this.resolve(readRecord(ids[0] as RecordId, reader))
  }
}

/** A batch of gets, settled as one. */
export class BatchGet {
  readonly promise: Promise<(StoredRecord | undefined)[]>
  private readonly records: (StoredRecord | undefined)[]
  private missing: number
  private resolve!: (records: (StoredRecord | undefined)[]) => void
  private reject!: (error: ThermoclineError) => void

  constructor(size: number) {
    this.records = new Array<StoredRecord | undefined>(size).fill(undefined)
    this.missing = size
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    if (size === 0) this.resolve(this.records)
  }

  set(position: number, record: StoredRecord | undefined): void {
    this.records[position] = record
    if (--this.missing === 0) this.resolve(this.records)
  }

  fail(error: ThermoclineError): void {
    this.reject(error)
  }
}

/** The part of a batch that one call asks for: ids of one series, each once, with their positions in the batch. */
export class BatchPart implements GetSink {
  readonly series: SeriesKey
  readonly ids: RecordId[]
  private readonly batch: BatchGet
  /** `positions[i]` is where `ids[i]` first stands in the batch. `repeats` has each later position of an id, with the id's index `at`. */
  private readonly positions: number[]
  private repeats: { readonly position: number; readonly at: number }[] | undefined
  /** By milliseconds the last id that has them; by id the one before it that has the same. Made with the second id. */
  private lastOfMs: Map<number, number> | undefined
  private before: number[] | undefined

  /** With its first id, for most have no other: an array that begins empty makes room for seventeen. */
  constructor(batch: BatchGet, series: SeriesKey, id: RecordId, position: number) {
    this.batch = batch
    this.series = series
    this.ids = [id]
    this.positions = [position]
  }

  add(id: RecordId, position: number): void {
    const { ids, positions } = this
    this.before ??= [-1]
    this.lastOfMs ??= new Map([[(ids[0] as RecordId).ms, 0]])
    const last = this.lastOfMs.get(id.ms) ?? -1
    let at = last
    while (at >= 0 && (ids[at] as RecordId).seq !== id.seq) at = this.before[at] as number
    if (at >= 0) {
      this.repeats ??= []
      this.repeats.push({ position, at })
      return
    }
    this.lastOfMs.set(id.ms, ids.length)
    this.before.push(last)
    ids.push(id)
    positions.push(position)
  }

  take({ ids }: GetCall, reader: ByteReader): void {
    const { batch, positions, repeats } = this
    if (repeats === undefined) {
      for (let at = 0; at < ids.length; at++) batch.set(positions[at] as number, readRecord(ids[at] as RecordId, reader))
      return
    }
    const records = ids.map((id) => readRecord(id, reader))
    for (let at = 0; at < ids.length; at++) batch.set(positions[at] as number, records[at])
    for (const { position, at } of repeats) batch.set(position, records[at])
  }

  fail(error: ThermoclineError): void {
    this.batch.fail(error)
  }
}
