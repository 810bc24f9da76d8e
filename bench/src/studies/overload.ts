/**
 * Is overload left when its cause has gone? A cluster is offered some times what it can do, with all replicas and with one down; a
 * steady trickle of calls beside it shows what others notice, and how soon after the end the cluster is what it was.
 */

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Load, type Phase, phaseTable, Up } from '@thermocline/e2e'
import { runLoaders, runQuietly } from '../loader-process.ts'
import type { LoaderSample } from '../sample.ts'
import type { Study } from './study.ts'

const LOADER = fileURLToPath(new URL('../loader.ts', import.meta.url))
const TIMES = 3
const OVERLOAD_SECONDS = 30
/** By then the cluster must be what it was. */
const LEFT_SECONDS = 5
const CAPACITY_SECONDS = 5
const CAPACITY_CLIENTS = 64
/** Calls of one loader that may wait at once: the load stays open while fewer do. */
const OVERLOAD_CLIENTS = 20_000
const KEYS = 10_000
const LOADED_SERIES = 1000
const TRICKLE_PER_SECOND = 100
const VICTIM = 1

interface Loading {
  readonly endpoints: readonly string[]
  readonly seconds: number
  readonly clients: number
  /** Calls per second of each loader; as many as they can if it is not given. */
  readonly rate?: number
}

function loaderCommand(flags: Readonly<Record<string, string>>): string[] {
  const all = { series: String(LOADED_SERIES), keys: String(KEYS), ...flags }
  return [process.execPath, LOADER, ...Object.entries(all).flatMap(([name, value]) => [`--${name}`, value])]
}

/** One loader that writes and one that reads. */
function loadBoth({ endpoints, seconds, clients, rate }: Loading): Promise<LoaderSample[]> {
  const flags = {
    endpoints: endpoints.join(','),
    clients: String(clients),
    connections: '24',
    seconds: String(seconds),
    ...(rate === undefined ? {} : { rate: String(rate) }),
  }
  return runLoaders(
    ['put', 'get'].map((mode) => [...loaderCommand({ mode, ...flags }), '--wait']),
    true,
  )
}

const round = (value: number): number => Number(value.toFixed(1))

function rowOf({ name, writes, reads, failures }: Phase) {
  return {
    name,
    writes: { calls: writes.count, p99Ms: round(writes.quantile(0.99)) },
    reads: { calls: reads.count, p99Ms: round(reads.quantile(0.99)) },
    failures,
  }
}

async function overloadOnce(up: Up, seconds: number, say: (line: string) => void): Promise<object> {
  const { endpoints } = up
  const capacity = await loadBoth({ endpoints, seconds: CAPACITY_SECONDS, clients: CAPACITY_CLIENTS })
  const perSecond = capacity.reduce((sum, sample) => sum + sample.operations / sample.seconds, 0)
  say(`does ${Math.round(perSecond)} calls a second`)
  const load = await Load.start({
    endpoints,
    clients: 4,
    writesPerSecond: TRICKLE_PER_SECOND,
    readsPerSecond: TRICKLE_PER_SECOND,
    series: LOADED_SERIES,
    prefix: 'trickle',
  })
  await delay(seconds * 1000)
  load.enter('overloaded')
  const offered = (TIMES * perSecond) / 2
  const samples = await loadBoth({ endpoints, seconds: OVERLOAD_SECONDS, clients: OVERLOAD_CLIENTS, rate: offered })
  load.enter('leaving')
  await delay(LEFT_SECONDS * 1000)
  load.enter('left')
  await delay(seconds * 1000)
  await load.stop()
  for (const line of phaseTable(load.phases)) say(line)
  const answered = samples.map(({ operations, errors, firstError }) => ({ operations, errors, firstError }))
  say(JSON.stringify(answered))
  for (const failure of load.failures) say(failure)
  const left = load.phases.find(({ name }) => name === 'left') as Phase
  if (left.failures > 0) throw new Error(`${left.failures} requests failed after the overload: ${load.failures.at(-1)}`)
  return { capacityPerSecond: Math.round(perSecond), offeredPerSecond: Math.round(2 * offered), answered, phases: load.phases.map(rowOf) }
}

export const overload: Study = {
  name: 'overload',
  async run({ folder, seconds, say }) {
    const up = await Up.start(['--data', join(folder, 'cluster'), '--port', '0', '--no-restart'])
    try {
      await runQuietly(loaderCommand({ mode: 'fill', endpoints: up.endpoints.join(',') }))
      say('all replicas')
      const whole = await overloadOnce(up, seconds, say)
      process.kill(up.pids[VICTIM] as number, 'SIGKILL')
      say(`replica ${VICTIM} is down`)
      await delay(seconds * 1000)
      return { whole, oneDown: await overloadOnce(up, seconds, say) }
    } finally {
      await up.stop()
    }
  },
}
