/**
 * A closed-loop loader, a process of its own: n clients over a number of connections, one mode, a warm-up, some seconds.
 * Prints one line of JSON, a `LoaderSample`. Keys are spread over `--series` series, so that as many blocks are in play.
 * With `--wait` it prints `ready` once connected and begins at a line on stdin, so that several loaders begin together.
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

/** Keys of a batch, each of another series while there are that many. */
function batchKeys(): number[] {
  const chosen = new Map<number, number>()
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

async function measure(pool: readonly Client[]): Promise<LoaderSample> {
  const latencies: number[] = []
  let isMeasuring = false
  let isOver = false
  let errors = 0
  let firstError: string | undefined
  const loop = async (client: Client): Promise<void> => {
    while (!isOver) {
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
const pool = await Promise.all(
  Array.from({ length: Math.max(1, Math.round(connections / endpoints.length)) }, () => connect({ endpoints })),
)
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
