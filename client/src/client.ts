/**
 * The public face of the library: typed calls over the dispatcher. Nothing here waits or retries; it checks what the
 * caller gave, makes a call of it and shapes the answer.
 */
import {
  appendOp,
  type Clock,
  checkBatch,
  checkScan,
  checkSlices,
  continueScan,
  deleteOp,
  formatRecordId,
  MAX_GET_IDS,
  MAX_ID,
  MAX_ID_MS,
  MAX_ID_SEQ,
  MAX_SCAN_RECORDS,
  MIN_ID,
  parseRecordId,
  putOp,
  type RecordId,
  type ScanRange,
  ThermoclineError,
  type Topology,
  type WriteAnswer,
  type WriteOp,
} from '@thermocline/protocol'
import { GetCall, type GetSink, type PageVersions, PageVersionsCall, ScanCall, type Timing, ValidateCall, WriteCall } from './calls.ts'
import { type ClientStats, Dispatcher } from './dispatcher.ts'
import { BatchGet, BatchPart, OneGet, type StoredRecord } from './gets.ts'
import { type CheckedOptions, type ConnectOptions, checkOptions, checkTimeout } from './options.ts'
import { osWorld } from './os/world.ts'
import { SeriesCache, type SeriesKey } from './series.ts'
import { TopologyWatcher } from './topology-watcher.ts'
import type { ClientWorld } from './world.ts'

/** `<ms>-<seq>`, a bare `<ms>` (sequence 0; in `to`, 65535), or its parts. */
export type IdInput = string | RecordId
/** Bytes, or text that is stored as UTF-8. Do not change the bytes before the call settles: a retry sends them again. */
export type ValueInput = Uint8Array | string

export interface CallOptions {
  /** Deadline of this call in ms, all attempts included. */
  readonly timeoutMs?: number | undefined
  /** Ends the call as `cancelled`. A write that was sent may still be applied: look at the error's `outcome`. */
  readonly signal?: AbortSignal | undefined
}

export interface PutOptions extends CallOptions {
  /** Only if there is no such record. */
  readonly ifAbsent?: boolean | undefined
  /** Only if the record has this version. */
  readonly ifVersion?: number | undefined
}

export interface DeleteOptions extends CallOptions {
  /** Only if the record has this version. */
  readonly ifVersion?: number | undefined
}

export interface ScanOptions extends CallOptions {
  /** Lowest id, inclusive. */
  readonly from?: IdInput | undefined
  /** Highest id, inclusive. */
  readonly to?: IdInput | undefined
  /** Most records in all. */
  readonly limit?: number | undefined
  /** Newest first; the default. */
  readonly reverse?: boolean | undefined
}

export interface ScanPageOptions extends ScanOptions {
  /** Where an earlier page of the same scan ended. */
  readonly continuation?: string | undefined
}

export interface ScanPage {
  readonly records: readonly StoredRecord[]
  /** Give it to the next `scanPage`; undefined at the end of the range. */
  readonly continuation: string | undefined
}

/** An operation of a batch; conditions as for the single call. */
export type BatchOp =
  | {
      readonly type: 'put'
      readonly id: IdInput
      readonly value: ValueInput
      readonly ifAbsent?: boolean | undefined
      readonly ifVersion?: number | undefined
    }
  | { readonly type: 'delete'; readonly id: IdInput; readonly ifVersion?: number | undefined }

const NO_OPTIONS: CallOptions = {}
const MAX_COUNTER = 2 ** 48
/** The bytes of a request id that name the client; the rest counts its requests. */
const CLIENT_ID_BYTES = 10

/**
 * Connects to a cluster: asks the endpoints for the topology, and keeps it current from then on.
 * @throws ThermoclineError `unavailable` if none gives one in time, `wrong_cluster`, `invalid_argument`.
 */
export function connect(options: ConnectOptions): Promise<Client> {
  return connectIn(osWorld, options)
}

/**
 * As `connect`, in a world that is handed in.
 * @internal
 */
export async function connectIn(world: ClientWorld, options: ConnectOptions): Promise<Client> {
  const checked = checkOptions(options)
  const counter = { value: 0 }
  const holder: { watcher?: TopologyWatcher } = {}
  const dispatcher = new Dispatcher({
    name: checked.name,
    attemptTimeoutMs: checked.attemptTimeoutMs,
    world,
    clusterId: checked.clusterId,
    onNewerEpoch: (_epoch, endpoint) => holder.watcher?.refresh(endpoint),
    nextCounter: () => nextCounter(counter),
  })
  const watcher = new TopologyWatcher(dispatcher, checked.endpoints, world)
  holder.watcher = watcher
  try {
    await watcher.first(checked.connectTimeoutMs, options.signal)
  } catch (error) {
    dispatcher.close()
    throw error
  }
  void watcher.run()
  return new Client(world, dispatcher, watcher, checked, counter)
}

function nextCounter(counter: { value: number }): number {
  counter.value = (counter.value + 1) % MAX_COUNTER
  return counter.value
}

/** A connection to a cluster; make it with `connect`, share it, `close` it at the end. */
export class Client {
  private readonly dispatcher: Dispatcher
  private readonly watcher: TopologyWatcher
  private readonly options: CheckedOptions
  private readonly counter: { value: number }
  private readonly clientId: Uint8Array
  private readonly clock: Clock
  private readonly seriesCache = new SeriesCache()

  /** @internal */
  constructor(world: ClientWorld, dispatcher: Dispatcher, watcher: TopologyWatcher, options: CheckedOptions, counter: { value: number }) {
    this.clock = world.clock
    this.clientId = world.randomBytes(CLIENT_ID_BYTES)
    this.dispatcher = dispatcher
    this.watcher = watcher
    this.options = options
    this.counter = counter
  }

  /**
   * Writes a record, new or old. Atomic and linearizable: once it resolves, every later read anywhere sees it. A retry
   * by the library is applied once.
   * @throws ThermoclineError `precondition_failed` (with `currentVersion`) if a condition does not hold.
   */
  async put(series: string, id: IdInput, value: ValueInput, options: PutOptions = NO_OPTIONS): Promise<{ version: number }> {
    const op = putOp(toId(id), toBytes(value), options)
    const answer = await this.write('put', series, op, options)
    return { version: answer.index }
  }

  /**
   * Writes a record under a new id `<ms>-<seq>` that the cluster assigns, above every id that the series has. Atomic and
   * linearizable; a retry by the library gets the same id.
   */
  async append(series: string, value: ValueInput, options: CallOptions = NO_OPTIONS): Promise<{ id: string; version: number }> {
    const answer = await this.write('append', series, appendOp(toBytes(value)), options)
    return { id: formatRecordId(answer.id), version: answer.index }
  }

  /**
   * Removes a record. Atomic and linearizable. `existed` says whether there was one.
   * @throws ThermoclineError `precondition_failed` (with `currentVersion`) if `ifVersion` does not hold.
   */
  async delete(series: string, id: IdInput, options: DeleteOptions = NO_OPTIONS): Promise<{ version: number; existed: boolean }> {
    const answer = await this.write('delete', series, deleteOp(toId(id), options), options)
    return { version: answer.index, existed: answer.removedVersion > 0 }
  }

  /** Reads a record, undefined if there is none. Linearizable: it sees every write that was answered before. */
  async get(series: string, id: IdInput, options: CallOptions = NO_OPTIONS): Promise<StoredRecord | undefined> {
    const one = new OneGet()
    this.startGet(this.seriesCache.get(series), [toId(id)], this.timing(options), one, options)
    return one.promise
  }

  /**
   * Reads records of several series; the answer has the order of `keys`. All keys of one series (up to 1024) are read at
   * one moment: a snapshot, linearizable. Keys of different series are read at moments of their own.
   */
  async batchGet(
    keys: readonly { readonly series: string; readonly id: IdInput }[],
    options: CallOptions = NO_OPTIONS,
  ): Promise<(StoredRecord | undefined)[]> {
    const batch = new BatchGet(keys.length)
    const parts: BatchPart[] = []
    const lastOf = new Map<string, BatchPart>()
    for (let position = 0; position < keys.length; position++) {
      const { series, id } = keys[position] as (typeof keys)[number]
      const known = lastOf.get(series)
      if (known !== undefined && known.ids.length < MAX_GET_IDS) {
        known.add(toId(id), position)
        continue
      }
      const part = new BatchPart(batch, known?.series ?? this.seriesCache.get(series), toId(id), position)
      lastOf.set(series, part)
      parts.push(part)
    }
    const timing = this.timing(options)
    for (const part of parts) this.startGet(part.series, part.ids, timing, part, options)
    return batch.promise
  }

  /**
   * Applies up to 1024 puts and deletes on different records of one series, at most 2 MiB of values. Atomic: all or, if
   * one condition does not hold, none; no read sees a part. All get the same version.
   * @throws ThermoclineError `precondition_failed` if a condition does not hold.
   */
  async batchWrite(series: string, ops: readonly BatchOp[], options: CallOptions = NO_OPTIONS): Promise<{ version: number }> {
    const built = ops.map((op) =>
      op.type === 'put' ? putOp(toId(op.id), toBytes(op.value), op) : deleteOp(toId(op.id), { ifVersion: op.ifVersion }),
    )
    checkBatch(built)
    const answer = await this.write('batchWrite', series, built, options)
    return { version: answer.index }
  }

  /**
   * Reads records in order of their ids, newest first unless `reverse` is false. It is read in chunks: one chunk is a
   * snapshot, linearizable; the next chunk is a new read, so records that change meanwhile may be seen or not. The
   * deadline holds per chunk.
   */
  async *scan(series: string, options: ScanOptions = NO_OPTIONS): AsyncGenerator<StoredRecord, void, undefined> {
    let left = options.limit ?? Number.POSITIVE_INFINITY
    let continuation: string | undefined
    do {
      const limit = Math.min(left, MAX_SCAN_RECORDS)
      const page: ScanPage = await this.scanPage(series, { ...options, limit, continuation })
      yield* page.records
      left -= page.records.length
      continuation = page.continuation
    } while (continuation !== undefined && left > 0)
  }

  /**
   * One chunk of a scan: at most `limit` records, 10,000 or about 256 KiB, whatever comes first. A snapshot, linearizable. Where
   * thousands of records were deleted it ends among them, and may have no records although there is a `continuation`. Pass that with
   * otherwise the same options to go on; that is a new read.
   */
  async scanPage(series: string, options: ScanPageOptions = NO_OPTIONS): Promise<ScanPage> {
    const range = scanRange(options)
    checkScan(range)
    const call = new ScanCall(this.dispatcher, this.seriesCache.get(series), this.timing(options), range)
    this.dispatcher.start(call, options.signal)
    const { records, next } = await call.promise
    return {
      records: records.map(({ id, version, value }) => ({ id: formatRecordId(id), version, value })),
      continuation: next === undefined ? undefined : formatRecordId(next),
    }
  }

  /**
   * Versions of pages (slice = ⌊ms / the topology's `sliceDurationMs`⌋) of a series, 0 where there is no page: tells
   * cheaply what changed. One snapshot, linearizable.
   */
  async pageVersions(series: string, slices: readonly number[], options: CallOptions = NO_OPTIONS): Promise<PageVersions> {
    checkSlices(slices)
    const call = new PageVersionsCall(this.dispatcher, this.seriesCache.get(series), this.timing(options), slices)
    this.dispatcher.start(call, options.signal)
    return call.promise
  }

  /**
   * Sends a validation that names series of one storage group (`Operation.validate`), `block` being one of theirs; for memory
   * nodes. `replica` is asked first. Resolves to the body of the answer.
   */
  async validate(body: Uint8Array, block: number, replica: number, options: CallOptions = NO_OPTIONS): Promise<Uint8Array> {
    const call = new ValidateCall(this.dispatcher, this.timing(options), block, replica, body)
    this.dispatcher.start(call, options.signal)
    return call.promise
  }

  /** The topology in use. */
  topology(): Topology {
    return this.watcher.current
  }

  /** Yields the topology in use, then every newer one, until the signal is aborted or the client closes. */
  async *watchTopology({ signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Topology, void, undefined> {
    let last = 0
    while (signal?.aborted !== true && !this.isClosed) {
      const current = this.watcher.current
      if (current.epoch > last) {
        last = current.epoch
        yield current
      } else {
        await this.nextTopology(signal)
      }
    }
  }

  /** Figures of this client so far. */
  stats(): Readonly<ClientStats> {
    return { ...this.dispatcher.stats }
  }

  /** Closes all connections. Open calls end as `cancelled`; a write among them may still be applied. */
  close(): void {
    this.isClosed = true
    this.watcher.stop()
    for (const wake of this.sleepers) wake()
    this.dispatcher.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private isClosed: boolean = false
  private readonly sleepers = new Set<() => void>()

  private nextTopology(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        unlisten()
        this.sleepers.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const unlisten = this.watcher.listen(wake)
      this.sleepers.add(wake)
      signal?.addEventListener('abort', wake)
    })
  }

  private timing(options: CallOptions): Timing {
    const { timeoutMs } = options
    const span = timeoutMs === undefined ? this.options.defaultTimeoutMs : checkTimeout('timeoutMs', timeoutMs)
    return { deadlineMs: this.clock.nowMs() + span, attemptTimeoutMs: this.options.attemptTimeoutMs }
  }

  private write(name: string, series: string, ops: WriteOp | readonly WriteOp[], options: CallOptions): Promise<WriteAnswer> {
    const key: SeriesKey = this.seriesCache.get(series)
    const request = { name, clientId: this.clientId, counter: nextCounter(this.counter), ops }
    const call = new WriteCall(this.dispatcher, key, this.timing(options), request)
    this.dispatcher.start(call, options.signal)
    return call.promise
  }

  private startGet(series: SeriesKey, ids: readonly RecordId[], timing: Timing, sink: GetSink, options: CallOptions): void {
    const call = new GetCall(this.dispatcher, series, timing, ids, sink)
    this.dispatcher.start(call, options.signal)
  }
}

function toId(id: IdInput, missingSeq = 0, field = 'id'): RecordId {
  if (typeof id === 'string') return parseNamed(id, missingSeq, field)
  const { ms, seq } = id
  const whole = Number.isInteger(ms) && Number.isInteger(seq)
  if (!whole || ms < 0 || seq < 0 || ms > MAX_ID_MS || seq > MAX_ID_SEQ) {
    throw new ThermoclineError(
      'invalid_argument',
      `${field}: { ms: ${ms}, seq: ${seq} } is out of range; expected 0 ≤ ms ≤ ${MAX_ID_MS}, 0 ≤ seq ≤ ${MAX_ID_SEQ}`,
    )
  }
  return id
}

/** The parser calls whatever it parses an id; the message names the field that the caller gave. */
function parseNamed(text: string, missingSeq: number, field: string): RecordId {
  try {
    return parseRecordId(text, missingSeq)
  } catch (error) {
    if (!(error instanceof ThermoclineError) || field === 'id') throw error
    throw new ThermoclineError(error.code, `${field}: ${error.message}`, { cause: error })
  }
}

function toBytes(value: ValueInput): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'utf8')
  if (value instanceof Uint8Array) return value
  throw new ThermoclineError('invalid_argument', `value: expected a Uint8Array or a string, not ${typeof value}`)
}

function scanRange(options: ScanPageOptions): ScanRange {
  const { from, to, limit = MAX_SCAN_RECORDS, reverse = true, continuation } = options
  const range: ScanRange = {
    from: from === undefined ? MIN_ID : toId(from, 0, 'from'),
    to: to === undefined ? MAX_ID : toId(to, MAX_ID_SEQ, 'to'),
    limit,
    reverse,
  }
  return continuation === undefined ? range : continueScan(range, parseNamed(continuation, 0, 'continuation'))
}
