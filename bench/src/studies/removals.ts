/**
 * Measures what readers of removals cost others: gets of one series beside readers of a series whose records are almost all removed, and beside
 * readers of one that lives, in turn. The removals are in memory and hide rows of the store; once they are flushed, compaction takes
 * them away, which a last part waits for.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type Client, connect } from '@thermocline/client'
import { Up } from '@thermocline/e2e'
import { quantilesOf } from '../sample.ts'
import { median } from '../statistics.ts'
import type { ReadersOptions, ReadersTold } from './removal-readers.ts'
import type { Study } from './study.ts'

const RECORDS = 100_000
/** Oldest ones, which a reader of the newest finds last. */
const KEPT = 5
const BATCH = 1000
const VALUE = new Uint8Array(100).fill(118)
const READERS = 20
const SERIES = ['living', 'removed'] as const
const GETS_PER_SECOND = 200
const ROUNDS = 5
const WARM_UP_MS = 1000
/** Fill the memory component until it is flushed. */
const FILLER = new Uint8Array(1024 * 1024 - 1)
const MOST_FILLERS = 2000
const BAR = 3

type Setting = (typeof SERIES)[number]

interface Round {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly mostMs: number
  /** Scans to their end, of all readers. */
  readonly scansPerSecond: number
}

const at = (record: number) => ({ ms: 1_600_000_000_000 + record, seq: 0 })

async function inBatches(from: number, step: (records: number[]) => Promise<unknown>): Promise<void> {
  for (let first = from; first < RECORDS; first += BATCH) {
    await step(Array.from({ length: Math.min(BATCH, RECORDS - first) }, (_, i) => first + i))
  }
}

const put = (client: Client, series: string): Promise<void> =>
  inBatches(0, (records) =>
    client.batchWrite(
      series,
      records.map((record) => ({ type: 'put', id: at(record), value: VALUE })),
    ),
  )

const removeAllButFew = (client: Client): Promise<void> =>
  inBatches(KEPT, (records) =>
    client.batchWrite(
      'removed',
      records.map((record) => ({ type: 'delete', id: at(record) })),
    ),
  )

/** Flushes of each replica, by what its metrics say. */
async function flushes(up: Up): Promise<number[]> {
  const texts = await Promise.all(up.http.map(async (http) => (await fetch(`${http}/metrics`)).text()))
  return texts.map((text) => Number(/^thermocline_flushes_total (\S+)$/m.exec(text)?.[1] ?? Number.NaN))
}

async function flush(up: Up, client: Client): Promise<void> {
  const before = await flushes(up)
  for (let filler = 0; filler < MOST_FILLERS; filler++) {
    await client.put(`filler-${filler % 50}`, at(filler), FILLER)
    if (filler % 10 === 9 && (await flushes(up)).every((count, replica) => count > (before[replica] as number))) return
  }
  throw new Error(`${MOST_FILLERS} records of 1 MiB were not flushed`)
}

/** Gets at a steady rate, as long as readers of the series go round. */
async function measure(endpoints: readonly string[], client: Client, series: Setting, seconds: number): Promise<Round> {
  const workerData: ReadersOptions = { endpoints, series, readers: READERS }
  const worker = new Worker(new URL('./removal-readers.ts', import.meta.url), { workerData })
  const told = new Promise<ReadersTold>((resolve, reject) => {
    worker.once('message', resolve).once('error', reject)
  })
  await delay(WARM_UP_MS)
  const latencies: number[] = []
  const calls: Promise<void>[] = []
  const beganMs = performance.now()
  const total = GETS_PER_SECOND * seconds
  for (let call = 0; call < total; call++) {
    const dueMs = beganMs + (call * 1000) / GETS_PER_SECOND
    if (dueMs > performance.now()) await delay(dueMs - performance.now())
    const made = client.get('other', at(call % BATCH)).then(() => {
      latencies.push(performance.now() - dueMs)
    })
    calls.push(made)
  }
  await Promise.all(calls)
  worker.postMessage('stop')
  const { scans, tookMs } = await told
  // 1001 of them.
  const quantiles = quantilesOf(Float64Array.from(latencies).sort())
  return {
    p50Ms: quantiles[500] as number,
    p99Ms: quantiles[990] as number,
    mostMs: quantiles[1000] as number,
    scansPerSecond: (scans * 1000) / tookMs,
  }
}

const round = (value: number): number => Number(value.toFixed(2))

function medians(rounds: readonly Round[]): Round {
  const of = (pick: (one: Round) => number): number => round(median(rounds.map(pick)))
  return {
    p50Ms: of((one) => one.p50Ms),
    p99Ms: of((one) => one.p99Ms),
    mostMs: of((one) => one.mostMs),
    scansPerSecond: of((one) => one.scansPerSecond),
  }
}

/** Both settings in turn, so that what else the machine does meets both. */
async function compare(up: Up, client: Client, seconds: number, say: (line: string) => void): Promise<object> {
  const rounds: Record<Setting, Round[]> = { living: [], removed: [] }
  for (let number = 0; number < ROUNDS; number++) {
    for (const series of SERIES) {
      const measured = await measure(up.endpoints, client, series, seconds)
      rounds[series].push(measured)
      say(
        `readers of ${series}: gets p50 ${round(measured.p50Ms)}, p99 ${round(measured.p99Ms)}, most ${round(measured.mostMs)} ms; ${round(measured.scansPerSecond)} scans/s`,
      )
    }
  }
  const [living, removed] = [medians(rounds.living), medians(rounds.removed)]
  const times = round(removed.p99Ms / living.p99Ms)
  say(
    `p99 of gets: ${removed.p99Ms} ms beside readers of removals, ${living.p99Ms} ms beside readers of a living series: ${times} times; the bar is ${BAR}`,
  )
  return { living, removed, times, rounds: ROUNDS }
}

export const removals: Study = {
  name: 'removals',
  async run({ folder, seconds, say }) {
    const up = await Up.start(['--data', join(folder, 'cluster'), '--port', '0', '--no-restart', '--node-memory', '512MiB'])
    try {
      using client = await connect({ endpoints: up.endpoints, defaultTimeoutMs: 30_000 })
      for (const series of [...SERIES, 'other']) await put(client, series)
      await flush(up, client)
      await removeAllButFew(client)
      say('removals in memory, above rows of the store')
      const inMemory = await compare(up, client, seconds, say)
      await flush(up, client)
      say('removals flushed')
      return { inMemory, flushed: await compare(up, client, seconds, say) }
    } finally {
      await up.stop()
    }
  },
}
