/**
 * Clients of a simulated cluster: the library as it is, over streams that split and delay what is sent, and beside it, as the seed has
 * it, what the library would not do (faults/client-faults.ts). Each client runs a few loops, so that requests travel together.
 */
import { type Client as Library, ThermoclineError } from '@thermocline/client'
import { type Call, type ClientWorld, connectIn } from '@thermocline/client/internal'
import {
  ByteReader,
  ByteWriter,
  blockOf,
  Condition,
  ERRORS,
  encodeSeries,
  errorCodeOf,
  Operation,
  WriteKind,
  type WriteOp,
  writeWriteBody,
} from '@thermocline/protocol'
import type { ModelBlock } from '../../src/engine/model.ts'
import { followCalls, stampOf } from './client-watch.ts'
import { type Cluster, EPOCH_MS } from './cluster.ts'
import { type Found, pagesDifference, recordDifference, scanDifference } from './differences.ts'
import type { ClientFaults } from './faults/client-faults.ts'
import type { HistoryRecord, WriteRecord } from './history.ts'
import { drawId, drawRange, drawSlices, drawWrite } from './operations.ts'
import { processClock } from './process-clock.ts'
import { RawRequests } from './raw-requests.ts'
import type { Scheduler } from './scheduler.ts'
import { storageAddress } from './topologies.ts'
import { recordOf, takeAnswer, type Write, WriteAttempts } from './write-attempts.ts'

const ATTEMPT_MS = 250
const DEADLINE_MS = 2500
/** Callers in a hurry: what they are told at their deadline must be true, too. */
const SHORT_DEADLINES_MS = [20, 120]
const HURRIED = 0.1
const CONNECT_MS = 10_000
/** How long what was sent past the library is waited for. */
const RAW_MS = 1000
/** How many writes are sent once, past the library, and whatever is answered is final: a refusal, too. */
const SOLE_ATTEMPTS = 0.06
const REQUEST_ID_BYTES = 16

export interface ClientOptions {
  readonly name: number
  readonly scheduler: Scheduler
  readonly cluster: Cluster
  readonly history: HistoryRecord[]
  readonly faults: ClientFaults
  readonly series: readonly string[]
  readonly longBytes: number
  /** Something was told that cannot be. */
  readonly onViolation: (error: Error) => void
}

/** An operation under way, with the calls that the library makes of it. */
interface Running {
  readonly calls: Call[]
  readonly write?: WriteAttempts
}

export class Client {
  private readonly options: ClientOptions
  private readonly scheduler: Scheduler
  private readonly raw: RawRequests
  private readonly wallSkewMs: number
  private readonly loops: number
  private library: Library | undefined
  /** While the library begins an operation: its calls are that operation's. */
  private beginning: Running | undefined
  private readonly runningOf = new WeakMap<Call, Running>()
  /** The index that the answer named with which a call ended. */
  private readonly indexOf = new WeakMap<Call, number>()
  private readonly memoryAsked = new WeakSet<Call>()
  private counter = 0
  /** Operations and requests past the library that are not over. */
  private open = 0
  isStopped = false
  finished = 0
  readonly outcomes: Record<string, number> = {}

  constructor(options: ClientOptions) {
    const { scheduler, cluster } = options
    this.options = options
    this.scheduler = scheduler
    this.raw = new RawRequests(scheduler, cluster)
    this.wallSkewMs = scheduler.random.between(-500, 500)
    this.loops = 1 + scheduler.random.below(3)
  }

  run(): void {
    this.scheduler.at(this.scheduler.random.between(0, 20), () => void this.connect())
  }

  get isIdle(): boolean {
    return this.isStopped && this.open === 0
  }

  close(): void {
    this.library?.close()
  }

  private world(): ClientWorld {
    const { scheduler, options } = this
    const { random } = scheduler
    const host = { name: `client-${options.name}`, isAlive: () => true }
    const clock = processClock({
      scheduler,
      isAlive: host.isAlive,
      wallMs: () => EPOCH_MS + this.wallSkewMs + scheduler.nowMs,
      onError: options.onViolation,
    })
    return {
      clock,
      random: random.next,
      randomBytes: (count) => Uint8Array.from({ length: count }, () => random.below(256)),
      openStream: (name, port, events) => options.cluster.streams.open(host, `${name}:${port}`, events),
    }
  }

  private async connect(): Promise<void> {
    const { cluster, name } = this.options
    const endpoints = [...cluster.machines.keys()].map((replica) => storageAddress(0, replica))
    const world = this.world()
    while (this.library === undefined && !this.isStopped) {
      try {
        this.library = await connectIn(world, {
          endpoints,
          attemptTimeoutMs: ATTEMPT_MS,
          defaultTimeoutMs: DEADLINE_MS,
          connectTimeoutMs: CONNECT_MS,
          name: `client ${name}`,
        })
      } catch (error) {
        if (!(error instanceof ThermoclineError) || error.code !== 'unavailable') return this.options.onViolation(error as Error)
        this.note('connect failed')
      }
    }
    if (this.library === undefined) return
    this.follow(this.library)
    for (let loop = 0; loop < this.loops; loop++) void this.loop(this.library)
  }

  private follow(library: Library): void {
    followCalls(library, {
      onStart: (call) => {
        if (this.beginning === undefined) return
        this.beginning.calls.push(call)
        this.runningOf.set(call, this.beginning)
      },
      onSent: (call, body) => {
        if (call.memoryTried >= 0) this.memoryAsked.add(call)
        const write = this.runningOf.get(call)?.write
        if (write === undefined) return
        write.onSent(body)
        this.fanOut(write)
      },
      onAnswer: (call, error, index) => {
        this.runningOf.get(call)?.write?.onAnswer(error, index, this.scheduler.nowMs)
        if (error === 0) this.indexOf.set(call, index)
      },
    })
  }

  private async loop(library: Library): Promise<void> {
    const { random } = this.scheduler
    while (!this.isStopped) {
      this.open++
      try {
        await this.operate(library)
      } catch (error) {
        this.options.onViolation(error as Error)
      }
      this.open--
      this.finished++
      // Loops that pause for nothing begin together what was answered together.
      const pauseMs = random.chance(0.2) ? 0 : random.between(0, 10)
      await new Promise<void>((resolve) => {
        this.scheduler.at(pauseMs, () => {
          resolve()
          this.scheduler.hasReactions = true
        })
      })
    }
  }

  private operate(library: Library): Promise<void> {
    const { random } = this.scheduler
    const series = random.pick(this.options.series)
    const kind = random.next()
    if (kind < 0.3) return this.get(library, series)
    if (kind < 0.38) return this.batchGet(library)
    if (kind < 0.46) return this.scan(library, series)
    if (kind < 0.5) return this.pageVersions(library, series)
    return random.chance(SOLE_ATTEMPTS) ? this.writeOnce(series) : this.write(library, series)
  }

  private note(outcome: string): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1
  }

  private timing(): { timeoutMs?: number } {
    const { random } = this.scheduler
    return random.chance(HURRIED) ? { timeoutMs: random.pick(SHORT_DEADLINES_MS) } : {}
  }

  /** Lets the library begin an operation; which calls that makes is known when this returns. */
  private begin<T>(running: Running, run: () => Promise<T>): Promise<T> {
    this.beginning = running
    try {
      return run()
    } finally {
      this.beginning = undefined
    }
  }

  // ── Reads ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads, and notes what was read, call by call. */
  private async read<T>(
    name: string,
    run: () => Promise<T>,
    mismatchOf: (found: T, position: number) => (model: ModelBlock) => string | undefined,
  ): Promise<void> {
    const startMs = this.scheduler.nowMs
    const running: Running = { calls: [] }
    let found: T
    try {
      found = await this.begin(running, run)
    } catch (error) {
      if (!(error instanceof ThermoclineError) || error.code === 'bad_frame' || error.code === 'invalid_argument') throw error
      this.note('read failed')
      return
    }
    const endMs = this.scheduler.nowMs
    for (const [position, call] of running.calls.entries()) {
      const index = this.indexOf.get(call) as number
      this.options.history.push({ kind: 'read', block: call.block, startMs, endMs, index, mismatch: mismatchOf(found, position) })
      if (this.memoryAsked.has(call)) this.note(call.memoryTried >= 0 ? `${name} from memory` : `${name} past memory`)
    }
    this.note(name)
  }

  private get(library: Library, series: string): Promise<void> {
    const id = drawId(this.scheduler.random)
    const run = (): Promise<Found> => library.get(series, id, this.timing())
    return this.read('read', run, (found) => (model) => recordDifference(series, id, found, model))
  }

  /** Reads ids of all series: those of each at one moment. */
  private batchGet(library: Library): Promise<void> {
    const { random } = this.scheduler
    const keys = Array.from({ length: 1 + random.below(12) }, () => ({ series: random.pick(this.options.series), id: drawId(random) }))
    const names = [...new Set(keys.map(({ series }) => series))]
    return this.read(
      'read many',
      () => library.batchGet(keys, this.timing()),
      (found, position) => (model) => {
        const differences = keys.map(({ series, id }, at) =>
          series === names[position] ? recordDifference(series, id, found[at], model) : undefined,
        )
        return differences.find((difference) => difference !== undefined)
      },
    )
  }

  private scan(library: Library, series: string): Promise<void> {
    const range = drawRange(this.scheduler.random)
    return this.read(
      'scanned',
      () => library.scanPage(series, { ...range, ...this.timing() }),
      ({ records, continuation }) => {
        if (continuation !== undefined && records.length < range.limit) this.note('scanned in part')
        return (model) => scanDifference(series, range, records, continuation === undefined, model)
      },
    )
  }

  private pageVersions(library: Library, series: string): Promise<void> {
    const slices = drawSlices(this.scheduler.random)
    return this.read(
      'pages',
      () => library.pageVersions(series, slices, this.timing()),
      ({ versions }) =>
        (model) =>
          pagesDifference(series, slices, versions, model),
    )
  }

  // ── Writes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private drawWrite(series: string): Write {
    const ops = drawWrite(this.scheduler.random, `${this.options.name}.${++this.counter}`, this.options.longBytes)
    return { series, block: blockOf(encodeSeries(series)), ops, startMs: this.scheduler.nowMs }
  }

  private async write(library: Library, series: string): Promise<void> {
    const drawn = this.drawWrite(series)
    const write = new WriteAttempts(drawn, this.options.history)
    try {
      const { version } = await this.begin({ calls: [], write }, () => this.send(library, drawn))
      write.onDone(version)
      this.note('written')
    } catch (error) {
      if (!(error instanceof ThermoclineError) || error.code === 'bad_frame' || error.code === 'invalid_argument') throw error
      this.note(write.onFailed(error))
      if (error.code === 'expired' || error.message.includes('an earlier attempt is unresolved')) this.note('expired')
    }
    if (write.record !== undefined) this.retryLate(write.record, write.body)
  }

  private send(library: Library, { series, ops }: Write): Promise<{ version: number }> {
    const timing = this.timing()
    const [op] = ops as readonly [WriteOp]
    if (ops.length > 1) return library.batchWrite(series, ops.map(batchOp), timing)
    if (op.kind === WriteKind.append) return library.append(series, op.value, timing)
    const conditions = { ...conditionsOf(op), ...timing }
    return op.kind === WriteKind.put ? library.put(series, op.id, op.value, conditions) : library.delete(series, op.id, conditions)
  }

  /** The seed may have every replica get the request that is being sent to one. */
  private fanOut(write: WriteAttempts): void {
    const { faults, cluster } = this.options
    const { record, body } = write
    if (record === undefined || !this.scheduler.random.chance(faults.fanOut)) return
    this.note('fan-out')
    write.wasSentByOthers = true
    for (const replica of cluster.machines.keys()) this.sendRaw(replica, record, body)
  }

  /** The seed may have the finished write sent once more: what it came to must not change. */
  private retryLate(record: WriteRecord, body: Uint8Array): void {
    const { faults } = this.options
    const { random } = this.scheduler
    if (!random.chance(faults.lateRetry)) return
    this.open++
    this.scheduler.at(random.between(1, faults.lateRetryMs), () => {
      this.open--
      // What was refused may be taken on now.
      if (record.index === 0) record.outcome = 'maybe'
      this.sendRaw(this.raw.anyReplica(), record, body, (error, isAnswered) =>
        this.note(isAnswered ? 'late retry answered' : `late retry ${errorCodeOf(error)}`),
      )
    })
  }

  private sendRaw(replica: number, record: WriteRecord, body: Uint8Array, onAnswer?: (error: number, isAnswered: boolean) => void): void {
    this.open++
    let isOver = false
    const end = (): void => {
      if (!isOver) this.open--
      isOver = true
    }
    this.scheduler.at(RAW_MS, end)
    this.raw.send(replica, Operation.write, body, (error, answer) => {
      const isAnswered = takeAnswer(record, error, new ByteReader(answer).u48(), this.scheduler.nowMs)
      if (!isOver) onAnswer?.(error, isAnswered)
      end()
    })
  }

  /** One attempt, under a stamp that may be old; the first answer is final, a refusal, too. */
  private writeOnce(series: string): Promise<void> {
    const drawn = this.drawWrite(series)
    const requestId = new Uint8Array(REQUEST_ID_BYTES)
    const view = new DataView(requestId.buffer)
    view.setUint32(0, this.options.name + 1)
    view.setUint32(12, this.counter)
    const writer = new ByteWriter(256)
    writeWriteBody(writer, requestId, stampOf(this.library as Library, drawn.block), encodeSeries(series), drawn.ops)
    const body = writer.copy()
    const record = recordOf(drawn, body)
    this.options.history.push(record)
    return new Promise((resolve) => {
      const end = (outcome: string): void => {
        this.note(outcome)
        resolve()
        this.scheduler.hasReactions = true
        this.retryLate(record, body)
      }
      let isOver = false
      this.scheduler.at(RAW_MS, () => {
        if (!isOver) end('unknown')
        isOver = true
      })
      this.raw.send(this.raw.anyReplica(), Operation.write, body, (error, answer) => {
        const isAnswered = takeAnswer(record, error, new ByteReader(answer).u48(), this.scheduler.nowMs)
        if (isOver) return
        isOver = true
        if (isAnswered) return end(error === 0 ? 'written' : 'condition failed')
        record.outcome = ERRORS[errorCodeOf(error)].outcome
        record.error = error
        end(record.outcome === 'not' ? 'refused' : 'unknown')
      })
    })
  }
}

function batchOp({ kind, id, value, ...op }: WriteOp): Parameters<Library['batchWrite']>[1][number] {
  if (kind === WriteKind.delete) return { type: 'delete', id }
  return { type: 'put', id, value, ...conditionsOf({ kind, id, value, ...op }) }
}

function conditionsOf({ condition, version }: WriteOp): { ifAbsent?: boolean; ifVersion?: number } {
  if (condition === Condition.ifVersion) return { ifVersion: version }
  return condition === Condition.ifAbsent ? { ifAbsent: true } : {}
}
