/**
 * The loader of the memory tier's workloads, a process of its own: closed loops over a store, or every page written once and
 * read once, so that caches begin with what they have room for. Prints one line of JSON, a `LoaderSample`; while it fills, how
 * many pages are written. The stores differ behind one small interface
 * (stores/store.ts). It says `ready` once connected, and begins at a line on stdin, so that several begin together.
 */
import { parseArgs } from 'node:util'
import { Random } from '@thermocline/simulation'
import { runClosedLoops } from '../closed-loop.ts'
import { waitForGo } from '../loader-process.ts'
import type { LoaderSample } from '../sample.ts'
import { VALUE_BYTES } from '../workloads.ts'
import { Dataset } from './dataset.ts'
import { openMemcached } from './stores/memcached.ts'
import { openRedis } from './stores/redis.ts'
import { PAGES_PER_SERIES, type Store } from './stores/store.ts'
import { openThermocline } from './stores/thermocline.ts'

const FILLS_AT_ONCE = 16
const READ_AT_ONCE = 32
const PROGRESS_MS = 2000

const { values } = parseArgs({
  options: {
    store: { type: 'string' },
    endpoints: { type: 'string', default: '' },
    mode: { type: 'string', default: 'load' },
    clients: { type: 'string', default: '1' },
    connections: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '1' },
    batch: { type: 'string', default: '1' },
    'write-share': { type: 'string', default: '0' },
    /** Calls per second; of our loaders alone. */
    rate: { type: 'string' },
    'burst-ms': { type: 'string', default: '1' },
    /** Of Redis: those that must have a write. */
    replicas: { type: 'string', default: '0' },
    keys: { type: 'string', default: '' },
    draws: { type: 'string', default: '' },
    values: { type: 'string', default: '' },
    'value-bytes': { type: 'string', default: String(VALUE_BYTES) },
    seed: { type: 'string', default: '0' },
    pids: { type: 'string', default: '' },
  },
})
const pages = Number(values.keys)
const seed = Number(values.seed)
const dataset = Dataset.read({ pages, draws: values.draws, values: values.values }, seed)

function open(): Promise<Store> {
  const endpoints = values.endpoints.split(',')
  const [endpoint] = endpoints as [string]
  const options = { endpoint, connections: Number(values.connections), pageValue: (page: number) => dataset.valueOf(page) }
  switch (values.store) {
    case 'thermocline':
      return openThermocline({ ...options, endpoints, pagesToFind: values.mode === 'fill' ? 0 : pages })
    case 'redis':
      return openRedis({ ...options, replicas: Number(values.replicas) })
    case 'memcached':
      return openMemcached(options)
    default:
      throw new Error(`store ${values.store} is not thermocline, redis or memcached`)
  }
}

async function fill(store: Store): Promise<void> {
  let filled = 0
  const progress = setInterval(() => process.stdout.write(`${filled}\n`), PROGRESS_MS)
  await inParts(PAGES_PER_SERIES, async (client, some) => {
    await store.write(client, some)
    filled += some.length
  })
  clearInterval(progress)
  await inParts(READ_AT_ONCE, (client, some) => store.read(client, some))
}

/** All pages, so many in a call, a few calls at once. */
async function inParts(size: number, visit: (client: number, some: number[]) => Promise<void>): Promise<void> {
  let next = 0
  const goOn = async (client: number): Promise<void> => {
    while (next < pages) {
      const first = next
      next = Math.min(pages, first + size)
      await visit(
        client,
        Array.from({ length: next - first }, (_, at) => first + at),
      )
    }
  }
  await Promise.all(Array.from({ length: FILLS_AT_ONCE }, (_, client) => goOn(client)))
}

function measure(store: Store): Promise<LoaderSample> {
  const batch = Number(values.batch)
  const writeShare = Number(values['write-share'])
  const random = new Random(seed)
  return runClosedLoops({
    clients: Number(values.clients),
    seconds: Number(values.seconds),
    pids: values.pids.split(',').map(Number),
    operationsPerCall: batch,
    ...(values.rate === undefined ? {} : { rate: Number(values.rate), burstMs: Number(values['burst-ms']) }),
    nextIsWrite: () => writeShare > 0 && random.chance(writeShare),
    call: (client, isWrite) => (isWrite ? store.write(client, dataset.next(batch)) : store.read(client, dataset.next(batch))),
  })
}

const store = await open()
if (values.mode === 'fill') await fill(store)
else {
  await waitForGo()
  process.stdout.write(`${JSON.stringify(await measure(store))}\n`)
}
store.close()
