/** The calls there are: one class per operation of the data port. */
import {
  type ByteReader,
  type ByteWriter,
  formatRecordId,
  Operation,
  type RecordId,
  readScanAnswer,
  readWriteAnswer,
  type ScanAnswer,
  type ScanRange,
  type ThermoclineError,
  type WriteAnswer,
  type WriteOp,
  writeBodyBytes,
  writeGetBody,
  writePageVersionsBody,
  writeScanBody,
  writeStampsBody,
  writeTopologyBody,
  writeWriteBody,
} from '@thermocline/protocol'
import { Call, type CallOwner } from './call.ts'
import type { SeriesKey } from './series.ts'

/** When a call gives up, and when an attempt of it does; milliseconds as `Clock.nowMs` has them. */
export interface Timing {
  readonly deadlineMs: number
  readonly attemptTimeoutMs: number
}

const text = new TextDecoder()
const requestId = new Uint8Array(16)
const requestIdView = new DataView(requestId.buffer)

/** A call that settles a promise. */
abstract class Asked<T> extends Call {
  readonly promise: Promise<T>
  protected resolve!: (value: T) => void
  reject!: (error: ThermoclineError) => void

  constructor(owner: CallOwner, block: number, timing: Timing) {
    super(owner, block, timing.deadlineMs, timing.attemptTimeoutMs)
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

export class WriteCall extends Asked<WriteAnswer> {
  readonly operation = Operation.write
  override readonly isWrite = true
  /** The index known before the first attempt, −1 while it is asked for (⚖9). */
  stamp = -1
  /** With the client's own bytes, the request id; every attempt carries the same. */
  counter: number
  restamps = 0
  private readonly name: string
  private readonly clientId: Uint8Array
  private readonly series: SeriesKey
  private readonly ops: WriteOp | readonly WriteOp[]

  constructor(
    owner: CallOwner,
    series: SeriesKey,
    timing: Timing,
    request: { name: string; clientId: Uint8Array; counter: number; ops: WriteOp | readonly WriteOp[] },
  ) {
    super(owner, series.block, timing)
    this.series = series
    this.name = request.name
    this.clientId = request.clientId
    this.counter = request.counter
    this.ops = request.ops
    this.bytes = writeBodyBytes(series.bytes, request.ops)
  }

  override encode(writer: ByteWriter): void {
    requestId.set(this.clientId)
    requestIdView.setUint16(10, this.counter / 2 ** 32)
    requestIdView.setUint32(12, this.counter >>> 0)
    writeWriteBody(writer, requestId, this.stamp, this.series.bytes, this.ops)
  }

  override answer(reader: ByteReader): void {
    this.resolve(readWriteAnswer(reader))
  }

  override describe(): string {
    const record =
      'kind' in this.ops ? (this.name === 'append' ? '' : ` ${formatRecordId(this.ops.id)}`) : ` of ${this.ops.length} operations`
    return `${this.name} ${JSON.stringify(this.series.name)}${record}`
  }
}

/** Who gets what gets read. */
export interface GetSink {
  /** Takes the values of all ids of the call, in their order. */
  take(call: GetCall, reader: ByteReader): void
  fail(error: ThermoclineError): void
}

export class GetCall extends Call {
  readonly operation = Operation.get
  override readonly isCacheable = true
  readonly ids: readonly RecordId[]
  private readonly series: SeriesKey
  private readonly sink: GetSink

  constructor(owner: CallOwner, series: SeriesKey, timing: Timing, ids: readonly RecordId[], sink: GetSink) {
    super(owner, series.block, timing.deadlineMs, timing.attemptTimeoutMs)
    this.series = series
    this.ids = ids
    this.sink = sink
    this.bytes = 8 + series.bytes.length + 8 * ids.length
  }

  override get fromMs(): number {
    let from = Number.POSITIVE_INFINITY
    for (const { ms } of this.ids) if (ms < from) from = ms
    return from
  }

  override encode(writer: ByteWriter): void {
    writeGetBody(writer, this.series.bytes, this.ids)
  }

  override answer(reader: ByteReader): void {
    reader.skip(6)
    this.sink.take(this, reader)
  }

  override reject(error: ThermoclineError): void {
    this.sink.fail(error)
  }

  override describe(): string {
    const [first] = this.ids
    const record = this.ids.length === 1 && first !== undefined ? formatRecordId(first) : `of ${this.ids.length} ids`
    return `get ${JSON.stringify(this.series.name)} ${record}`
  }
}

export class ScanCall extends Asked<ScanAnswer> {
  readonly operation = Operation.scan
  override readonly isCacheable = true
  override get fromMs(): number {
    return this.range.reverse ? this.range.to.ms : this.range.from.ms
  }
  private readonly series: SeriesKey
  private readonly range: ScanRange

  constructor(owner: CallOwner, series: SeriesKey, timing: Timing, range: ScanRange) {
    super(owner, series.block, timing)
    this.series = series
    this.range = range
  }

  override encode(writer: ByteWriter): void {
    writeScanBody(writer, this.series.bytes, this.range)
  }

  override answer(reader: ByteReader): void {
    this.resolve(readScanAnswer(reader))
  }

  override describe(): string {
    return `scan ${JSON.stringify(this.series.name)} from ${formatRecordId(this.range.from)} to ${formatRecordId(this.range.to)}`
  }
}

export interface PageVersions {
  /** The applied index they were read at. */
  readonly index: number
  /** Per slice asked for: the version of the page, 0 if there is none. */
  readonly versions: readonly number[]
}

export class PageVersionsCall extends Asked<PageVersions> {
  readonly operation = Operation.pageVersions
  private readonly series: SeriesKey
  private readonly slices: readonly number[]

  constructor(owner: CallOwner, series: SeriesKey, timing: Timing, slices: readonly number[]) {
    super(owner, series.block, timing)
    this.series = series
    this.slices = slices
    this.bytes = 8 + series.bytes.length + 6 * slices.length
  }

  override encode(writer: ByteWriter): void {
    writePageVersionsBody(writer, this.series.bytes, this.slices)
  }

  override answer(reader: ByteReader): void {
    const index = reader.u48()
    this.resolve({ index, versions: this.slices.map(() => reader.u48()) })
  }

  override describe(): string {
    return `pageVersions ${JSON.stringify(this.series.name)} of ${this.slices.length} slices`
  }
}

/** A validation, as a memory node has written it; routed by a block of it. Resolves to the answer's bytes, copied. */
export class ValidateCall extends Asked<Uint8Array> {
  readonly operation = Operation.validate
  override readonly preferred: number
  private readonly body: Uint8Array

  constructor(owner: CallOwner, timing: Timing, block: number, replica: number, body: Uint8Array) {
    super(owner, block, timing)
    this.preferred = replica
    this.body = body
    this.bytes = body.length
  }

  override encode(writer: ByteWriter): void {
    writer.put(this.body)
  }

  override answer(reader: ByteReader): void {
    this.resolve(reader.take(reader.remaining).slice())
  }

  override describe(): string {
    return `a validation of ${this.body.length} bytes`
  }
}

/** Asks for the indexes of several blocks of one group; routed by the first. */
export class StampsCall extends Asked<number[]> {
  readonly operation = Operation.stamps
  readonly blocks: readonly number[]

  constructor(owner: CallOwner, timing: Timing, blocks: readonly number[]) {
    super(owner, blocks[0] ?? -1, timing)
    this.blocks = blocks
    this.bytes = 2 + 2 * blocks.length
  }

  override encode(writer: ByteWriter): void {
    writeStampsBody(writer, this.blocks)
  }

  override answer(reader: ByteReader): void {
    this.resolve(this.blocks.map(() => reader.u48()))
  }

  override describe(): string {
    return `stamps of ${this.blocks.length} blocks`
  }
}

/** Pinned to one connection; resolves to JSON text, or undefined if nothing newer came in time. */
export class TopologyCall extends Asked<string | undefined> {
  readonly operation = Operation.topology
  private readonly knownEpoch: number
  private readonly waitMs: number

  constructor(owner: CallOwner, timing: Timing, knownEpoch: number, waitMs: number) {
    super(owner, -1, timing)
    this.knownEpoch = knownEpoch
    this.waitMs = waitMs
  }

  override encode(writer: ByteWriter): void {
    writeTopologyBody(writer, this.knownEpoch, this.waitMs)
  }

  override answer(reader: ByteReader): void {
    this.resolve(reader.remaining === 0 ? undefined : text.decode(reader.take(reader.remaining)))
  }

  override describe(): string {
    return `topology above epoch ${this.knownEpoch}`
  }
}
