/**
 * A closed-loop loader of its own process: n clients over a number of connections, one mode, some seconds. Prints one
 * line of JSON. Keys are spread over `--series` series, so that `--series` blocks are in play.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Client, connect } from '@thermocline/client'

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
  },
})
const endpoints = values.endpoints.split(',')
const clients = Number(values.clients)
const keys = Number(values.keys)
const series = Number(values.series)
const batch = Number(values.batch)
const value = new Uint8Array(Number(values['value-bytes'])).fill(118)
const pids = values.pids.split(',').filter((pid) => pid !== '')
const BASE_MS = 1_732_233_600_000
const WARM_UP_MS = 500

/** CPU seconds of processes, all threads, from /proc. */
function cpuSeconds(): number {
  let ticks = 0
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks / 100
}

const seriesOf = (key: number): string => `bench-${key % series}`
const idOf = (key: number): { ms: number; seq: number } => ({ ms: BASE_MS + Math.floor(key / series) * 1000, seq: 0 })

function distinctKeys(): number[] {
  const chosen = new Set<number>()
  while (chosen.size < batch) chosen.add(Math.floor(Math.random() * keys))
  return [...chosen]
}

async function once(client: Client): Promise<void> {
  const key = Math.floor(Math.random() * keys)
  switch (values.mode) {
    case 'put':
      await client.put(seriesOf(key), idOf(key), value)
      return
    case 'get':
      await client.get(seriesOf(key), idOf(key))
      return
    case 'batchput':
      await Promise.all(distinctKeys().map((one) => client.put(seriesOf(one), idOf(one), value)))
      return
    case 'batchget':
      await client.batchGet(distinctKeys().map((one) => ({ series: seriesOf(one), id: idOf(one) })))
      return
    case 'fill':
      throw new Error('fill runs by itself')
    default:
      throw new Error(`mode ${values.mode} is not known`)
  }
}

// A client object has one connection per replica.
const connections = Number(values.connections ?? Math.min(clients, 64))
const pool = await Promise.all(
  Array.from({ length: Math.max(1, Math.round(connections / endpoints.length)) }, () => connect({ endpoints })),
)
if (values.mode === 'fill') {
  const client = pool[0] as Client
  for (let key = 0; key < keys; key += 500) {
    await Promise.all(Array.from({ length: Math.min(500, keys - key) }, (_, i) => client.put(seriesOf(key + i), idOf(key + i), value)))
  }
} else await measure()
for (const client of pool) await client.close()

async function measure(): Promise<void> {
  const latencies: number[] = []
  let isMeasuring = false
  let isOver = false
  let errors = 0
  const loop = async (client: Client): Promise<void> => {
    while (!isOver) {
      const began = performance.now()
      try {
        await once(client)
        if (isMeasuring) latencies.push(performance.now() - began)
      } catch {
        errors++
      }
    }
  }
  const loops = Array.from({ length: clients }, (_, i) => loop(pool[i % pool.length] as Client))
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS))
  isMeasuring = true
  const cpu = cpuSeconds()
  const own = process.cpuUsage()
  const began = performance.now()
  await new Promise((resolve) => setTimeout(resolve, Number(values.seconds) * 1000))
  isMeasuring = false
  const seconds = (performance.now() - began) / 1000
  const serverCpu = cpuSeconds() - cpu
  const ownUsed = process.cpuUsage(own)
  isOver = true
  const operations = latencies.length * (values.mode.startsWith('batch') ? batch : 1)
  latencies.sort((a, b) => a - b)
  console.log(
    JSON.stringify({
      workload: values.mode,
      clients,
      connections: pool.length * endpoints.length,
      operations,
      opsPerSecond: Math.round(operations / seconds),
      p50Ms: latencies[latencies.length >> 1],
      p99Ms: latencies[Math.floor(latencies.length * 0.99)],
      serverCpuUsPerOp: (serverCpu * 1e6) / operations,
      loaderCpuUsPerOp: (ownUsed.user + ownUsed.system) / operations,
      serverCores: serverCpu / seconds,
      errors,
    }),
  )
  await Promise.all(loops)
}
