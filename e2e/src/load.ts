/**
 * Many clients that write and read at a steady rate, and remember what was acknowledged.
 *
 * The load is open: a call starts when its time has come, however slow the calls before it are, and its latency counts
 * from that time. So an outage of half a second shows as hundreds of slow calls and not as one. Every other write is an
 * append; every read asks for a record that was acknowledged before the read began, and fails if it is not exactly that.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, connect, ThermoclineError } from '@thermocline/client'
import { Latencies } from './latencies.ts'
import { Phase } from './phase.ts'

export interface LoadOptions {
  readonly endpoints: readonly string[]
  readonly clients: number
  readonly writesPerSecond: number
  readonly readsPerSecond: number
  readonly series: number
  readonly valueBytes?: number
  readonly prefix?: string
  /** Deadline of a call; the library's own unless given. */
  readonly timeoutMs?: number
}

/** How often a client looks which of its calls are due. */
const TURN_MS = 5
/** Reads ask for one of so many writes that were acknowledged last. */
const RECENT = 4096
const DRAIN_TIMEOUT_MS = 30_000

interface Acknowledged {
  readonly series: string
  readonly id: string
  readonly value: string
}

export class Load {
  /** Acknowledged records: by series, then by id. */
  readonly acknowledged = new Map<string, Map<string, string>>()
  readonly writeLatencies = new Latencies()
  readonly readLatencies = new Latencies()
  readonly failures: string[] = []
  /** In the order in which they were entered. */
  readonly phases: Phase[] = []
  private phase = this.enter('quiet')
  /** Longest time in which no write was acknowledged. */
  longestGapMs = 0
  private readonly options: LoadOptions
  private readonly clients: readonly Client[]
  private readonly recent: Acknowledged[] = []
  private readonly loops: Promise<void>[]
  private readonly open = new Set<Promise<void>>()
  private counter = 0
  private noted = 0
  private lastAckMs = 0
  private beganMs = 0
  private endedMs = 0
  private isStopping = false

  private constructor(options: LoadOptions, clients: readonly Client[]) {
    this.options = options
    this.clients = clients
    this.beganMs = performance.now()
    this.lastAckMs = this.beganMs
    this.loops = clients.map((client, at) => this.drive(client, at))
  }

  static async start(options: LoadOptions): Promise<Load> {
    const { endpoints, timeoutMs: defaultTimeoutMs } = options
    const clients = await Promise.all(
      Array.from({ length: options.clients }, (_, at) => connect({ endpoints, name: `load-${at}`, defaultTimeoutMs })),
    )
    return new Load(options, clients)
  }

  /** What is due from now on counts as part of this phase; a phase may be entered again. */
  enter(name: string): Phase {
    let phase = this.phases.find((known) => known.name === name)
    if (phase === undefined) {
      phase = new Phase(name)
      this.phases.push(phase)
    }
    this.phase = phase
    return phase
  }

  get writes(): number {
    return this.writeLatencies.count
  }

  get reads(): number {
    return this.readLatencies.count
  }

  /** Acknowledged writes per second, from the first to the end. */
  get writesPerSecond(): number {
    return (this.writes / ((this.endedMs || performance.now()) - this.beganMs)) * 1000
  }

  /** Starts no more calls, waits for those that are open, closes the clients. */
  async stop(): Promise<void> {
    this.isStopping = true
    await Promise.all(this.loops)
    this.endedMs = performance.now()
    const timedOut = delay(DRAIN_TIMEOUT_MS, 'late' as const, { ref: false })
    if ((await Promise.race([Promise.all(this.open), timedOut])) === 'late') {
      this.failures.push(`${this.open.size} calls have no answer ${DRAIN_TIMEOUT_MS} ms after the load ended`)
    }
    for (const client of this.clients) client.close()
  }

  private async drive(client: Client, at: number): Promise<void> {
    const { writesPerSecond, readsPerSecond, clients } = this.options
    const writeMs = (1000 * clients) / writesPerSecond
    const readMs = (1000 * clients) / readsPerSecond
    let writeAt = this.beganMs + (writeMs * at) / clients
    let readAt = this.beganMs + (readMs * (at + 0.5)) / clients
    while (!this.isStopping) {
      const nowMs = performance.now()
      for (; writeAt <= nowMs; writeAt += writeMs) this.track(this.write(client, writeAt))
      for (; readAt <= nowMs; readAt += readMs) this.track(this.read(client, readAt))
      await delay(TURN_MS)
    }
  }

  private track(call: Promise<void>): void {
    const { phase } = this
    const guarded = call.catch((error: unknown) => {
      phase.failures++
      this.failures.push(error instanceof ThermoclineError ? `${error.code}: ${error.message}` : String(error))
    })
    this.open.add(guarded)
    void guarded.finally(() => this.open.delete(guarded))
  }

  private async write(client: Client, dueMs: number): Promise<void> {
    const { phase } = this
    const number = this.counter++
    const { series: count, prefix = 'load', valueBytes = 200 } = this.options
    const series = `${prefix}-${number % count}`
    const value = `${number} `.padEnd(valueBytes, 'thermocline ')
    let id: string
    if (number % 2 === 0) id = (await client.append(series, value)).id
    else {
      // Below what append assigns, and different for every write.
      id = `${1_000_000_000_000 + number}-0`
      await client.put(series, id, value)
    }
    const nowMs = performance.now()
    this.writeLatencies.add(nowMs - dueMs)
    phase.writes.add(nowMs - dueMs)
    this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.lastAckMs)
    this.lastAckMs = nowMs
    this.note({ series, id, value })
  }

  private note(record: Acknowledged): void {
    let records = this.acknowledged.get(record.series)
    if (records === undefined) {
      records = new Map()
      this.acknowledged.set(record.series, records)
    }
    records.set(record.id, record.value)
    this.recent[this.noted++ % RECENT] = record
  }

  private async read(client: Client, dueMs: number): Promise<void> {
    const { phase } = this
    const known = this.recent[Math.floor(Math.random() * this.recent.length)]
    if (known === undefined) return
    const found = await client.get(known.series, known.id)
    const text = found === undefined ? undefined : Buffer.from(found.value).toString('utf8')
    if (text !== known.value) this.failures.push(`get ${known.series} ${known.id}: acknowledged, but the answer is ${text ?? 'absent'}`)
    const tookMs = performance.now() - dueMs
    this.readLatencies.add(tookMs)
    phase.reads.add(tookMs)
  }
}
