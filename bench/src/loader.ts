/**
 * A closed-loop loader, a process of its own: n clients over a number of connections, one mode, a warm-up, some seconds.
 * Prints one line of JSON, a `LoaderSample`. Keys are spread over `--series` series, so that as many blocks are in play.
 * With `--rate` calls begin at that many a second, not as fast as they can. With `--spread` each call goes over a client chosen by chance, so that all connections are in use. With `--wait` it prints `ready` once connected and begins at a line on stdin, so that several loaders begin together.
 */
import { parseArgs } from 'node:util'
import type { Client } from '@thermocline/client'
import { connectPool, inGroups } from './client-pool.ts'
import { runClosedLoops } from './closed-loop.ts'
import { waitForGo } from './loader-process.ts'
import type { LoaderSample } from './sample.ts'

const BASE_MS = 1_732_233_600_000
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

/** A client learns where a block stands by its first call: here for all that is measured. */
async function openAll(pool: readonly Client[]): Promise<void> {
  await inGroups(pool, (client) => Promise.all(Array.from({ length: series }, (_, key) => client.get(seriesOf(key), idOf(key)))))
}

function measure(pool: readonly Client[]): Promise<LoaderSample> {
  const any = (): Client => pool[Math.floor(Math.random() * pool.length)] as Client
  return runClosedLoops({
    clients,
    seconds: Number(values.seconds),
    pids,
    operationsPerCall: values.mode.startsWith('batch') ? batch : 1,
    ...(Number(values.rate) > 0 ? { rate: Number(values.rate) } : {}),
    call: (at) => once(values.spread ? any() : (pool[at % pool.length] as Client)),
  })
}

const pool = await connectPool(endpoints, Number(values.connections ?? Math.min(clients, 64)))
if (pool.length > 1) await openAll(pool)
if (values.wait) await waitForGo()
if (values.mode === 'fill') await fill(pool[0] as Client)
else process.stdout.write(`${JSON.stringify(await measure(pool))}\n`)
for (const client of pool) await client.close()
