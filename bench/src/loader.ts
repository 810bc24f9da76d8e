/**
 * A closed-loop loader, a process of its own: n clients over a number of connections, one mode, a warm-up, some seconds.
 * Prints one line of JSON, a `LoaderSample`. Keys are spread over `--series` series, so that as many blocks are in play.
 * With `--rate` calls begin at that many a second, not as fast as they can. With `--spread` each call goes over a client chosen by chance, so that all connections are in use. With `--wait` it prints `ready` once connected and begins at a line on stdin, so that several loaders begin together.
 */
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Client, connect } from '@thermocline/client'
import { cpuSeconds } from './processes.ts'
import { type LoaderSample, quantilesOf } from './sample.ts'

const BASE_MS = 1_732_233_600_000
const WARM_UP_MS = 500
const FILL_AT_ONCE = 500
/** Clients that connect at once, and calls by which each finds all replicas. */
const CONNECT_AT_ONCE = 100

const { values } = parseArgs({
  options: {
    endpoints: { type: 'string', default: '127.0.0.1:7400,127.0.0.1:7410,127.0.0.1:7420' },
    mode: { type: 'string', default: 'put' },
    clients: { type: 'string', default: '128' },
    connections: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    keys: { type: 'string', default: '10000' },
    series: { type: 'string', default: '64' },
    batch: { type: 'string', default: '32' },
    'value-bytes': { type: 'string', default: '200' },
    pids: { type: 'string', default: '' },
    rate: { type: 'string', default: '0' },
    spread: { type: 'boolean', default: false },
    'one-series': { type: 'boolean', default: false },
    wait: { type: 'boolean', default: false },
  },
})
const endpoints = values.endpoints.split(',')
const clients = Number(values.clients)
const keys = Number(values.keys)
const series = Number(values.series)
const batch = Number(values.batch)
const value = new Uint8Array(Number(values['value-bytes'])).fill(118)
const pids = values.pids.split(',').flatMap((pid) => (pid === '' ? [] : [Number(pid)]))

const seriesOf = (key: number): string => `bench-${key % series}`
const idOf = (key: number): { ms: number; seq: number } => ({ ms: BASE_MS + Math.floor(key / series) * 1000, seq: 0 })
const keyOf = (key: number) => ({ series: seriesOf(key), id: idOf(key) })
const anyKey = (): number => Math.floor(Math.random() * keys)

/** Keys of a batch: all of one series, or each of another while there are that many. */
function batchKeys(): number[] {
  const chosen = new Map<number, number>()
  if (values['one-series']) {
    const first = Math.floor(Math.random() * series)
    const perSeries = Math.floor(keys / series)
    while (chosen.size < batch) {
      const key = first + series * Math.floor(Math.random() * perSeries)
      chosen.set(key, key)
    }
    return [...chosen.values()]
  }
  const byWhat = batch <= series ? (key: number) => key % series : (key: number) => key
  while (chosen.size < batch) {
    const key = anyKey()
    chosen.set(byWhat(key), key)
  }
  return [...chosen.values()]
}

async function once(client: Client): Promise<void> {
  switch (values.mode) {
    case 'put': {
      const key = anyKey()
      await client.put(seriesOf(key), idOf(key), value)
      return
    }
    case 'get': {
      const key = anyKey()
      if ((await client.get(seriesOf(key), idOf(key))) === undefined) throw new Error(`key ${key} is missing; fill first`)
      return
    }
    case 'batchput':
      if (values['one-series']) {
        const chosen = batchKeys()
        await client.batchWrite(
          seriesOf(chosen[0] as number),
          chosen.map((key) => ({ type: 'put', id: idOf(key), value })),
        )
        return
      }
      await Promise.all(batchKeys().map((key) => client.put(seriesOf(key), idOf(key), value)))
      return
    case 'batchget':
      await client.batchGet(batchKeys().map(keyOf))
      return
    default:
      throw new Error(`mode ${values.mode} is not fill, put, get, batchput or batchget`)
  }
}

async function fill(client: Client): Promise<void> {
  for (let first = 0; first < keys; first += FILL_AT_ONCE) {
    const some = Array.from({ length: Math.min(FILL_AT_ONCE, keys - first) }, (_, at) => first + at)
    await Promise.all(some.map((key) => client.put(seriesOf(key), idOf(key), value)))
  }
}

/** A client opens a connection when a call needs it, and learns where a block stands by its first call: here for all that is measured. */
async function openAll(pool: readonly Client[]): Promise<void> {
  for (let first = 0; first < pool.length; first += CONNECT_AT_ONCE) {
    const some = pool.slice(first, first + CONNECT_AT_ONCE)
    await Promise.all(some.flatMap((client) => Array.from({ length: series }, (_, key) => client.get(seriesOf(key), idOf(key)))))
  }
}

/** Lets calls begin at a rate: what is due at a tick of the clock begins together. */
class Pace {
  private readonly perMs: number
  private readonly beganMs = performance.now()
  private readonly waiting: (() => void)[] = []
  private begun = 0

  constructor(perSecond: number) {
    this.perMs = perSecond / 1000
    setInterval(() => this.tick(), 1).unref()
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve)
    })
  }

  private tick(): void {
    const due = Math.floor((performance.now() - this.beganMs) * this.perMs)
    for (const begin of this.waiting.splice(0, Math.max(0, due - this.begun))) begin()
    // What nobody was free to begin is not made up for.
    this.begun = due
  }
}

async function measure(pool: readonly Client[]): Promise<LoaderSample> {
  const latencies: number[] = []
  let isMeasuring = false
  let isOver = false
  let errors = 0
  let firstError: string | undefined
  const pace = Number(values.rate) > 0 ? new Pace(Number(values.rate)) : undefined
  const loop = async (own: Client): Promise<void> => {
    while (!isOver) {
      if (pace !== undefined) await pace.turn()
      const client = values.spread ? (pool[Math.floor(Math.random() * pool.length)] as Client) : own
      const began = performance.now()
      try {
        await once(client)
        if (isMeasuring) latencies.push(performance.now() - began)
      } catch (error) {
        if (!isMeasuring) continue
        errors++
        firstError ??= String(error)
      }
    }
  }
  const loops = Array.from({ length: clients }, (_, at) => loop(pool[at % pool.length] as Client))
  await delay(WARM_UP_MS)
  isMeasuring = true
  const serverCpu = cpuSeconds(pids)
  const own = process.cpuUsage()
  const began = performance.now()
  await delay(Number(values.seconds) * 1000)
  isMeasuring = false
  const seconds = (performance.now() - began) / 1000
  const serverCpuSeconds = cpuSeconds(pids) - serverCpu
  const ownUsed = process.cpuUsage(own)
  isOver = true
  await Promise.all(loops)
  return {
    calls: latencies.length,
    operations: latencies.length * (values.mode.startsWith('batch') ? batch : 1),
    seconds,
    serverCpuSeconds,
    loaderCpuSeconds: (ownUsed.user + ownUsed.system) / 1e6,
    errors,
    ...(firstError === undefined ? {} : { firstError }),
    quantilesMs: quantilesOf(Float64Array.from(latencies).sort()),
  }
}

// A client object has one connection per replica.
const connections = Number(values.connections ?? Math.min(clients, 64))
const pool: Client[] = []
const wanted = Math.max(1, Math.round(connections / endpoints.length))
while (pool.length < wanted) {
  const some = Array.from({ length: Math.min(CONNECT_AT_ONCE, wanted - pool.length) }, () => connect({ endpoints }))
  pool.push(...(await Promise.all(some)))
}
if (pool.length > 1) await openAll(pool)
if (values.wait) {
  const lines = createInterface({ input: process.stdin })
  process.stdout.write('ready\n')
  await new Promise((resolve) => {
    lines.once('line', resolve)
  })
  lines.close()
}
if (values.mode === 'fill') await fill(pool[0] as Client)
else process.stdout.write(`${JSON.stringify(await measure(pool))}\n`)
for (const client of pool) await client.close()
