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

/** What one call asks for a batch: ids of one series, and where in the batch each stands. */
export class BatchPart implements GetSink {
  readonly series: SeriesKey
  readonly ids: RecordId[]
  private readonly batch: BatchGet
  private readonly positions: number[]

  /** With its first id, for most have no other: an array that begins empty makes room for seventeen. */
  constructor(batch: BatchGet, series: SeriesKey, id: RecordId, position: number) {
    this.batch = batch
    this.series = series
    this.ids = [id]
    this.positions = [position]
  }

  add(id: RecordId, position: number): void {
    this.ids.push(id)
    this.positions.push(position)
  }

  take({ ids }: GetCall, reader: ByteReader): void {
    for (let at = 0; at < ids.length; at++) this.batch.set(this.positions[at] as number, readRecord(ids[at] as RecordId, reader))
  }

  fail(error: ThermoclineError): void {
    this.batch.fail(error)
  }
}
