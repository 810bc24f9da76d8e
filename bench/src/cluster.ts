/** Ours: three replicas through `thermocline up --ephemeral`, and our loader against them. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EnoughLoaders } from './enough-loaders.ts'
import { runLoaders, runQuietly } from './loader-process.ts'
import { Server } from './processes.ts'
import { mergeSamples, type Sample } from './sample.ts'
import type { System } from './system.ts'
import { KEYS, USUAL_SERIES, VALUE_BYTES, type Workload } from './workloads.ts'

const PROGRAM = fileURLToPath(new URL('../../thermocline', import.meta.url))
const LOADER = fileURLToPath(new URL('./loader.ts', import.meta.url))
const START_TIMEOUT_MS = 300_000
const STOP_GRACE_MS = 15_000
/** Ports are found free and taken later; somebody else may be faster. */
const START_ATTEMPTS = 4

interface Ready {
  readonly endpoints: readonly string[]
  readonly pids: readonly number[]
}

export interface MemoryNode {
  readonly pid: number
  /** URL of its HTTP port. */
  readonly http: string
}

interface ReadyEvent extends Ready {
  readonly memory: readonly MemoryNode[]
}

export interface Cluster extends Ready {
  /** Of these, `pids` has the last ones. */
  readonly memory: readonly MemoryNode[]
  /** All that `up` has said. */
  output(): string
  stop(): Promise<void>
}

/** Three replicas, and what more `flags` of `up` ask for. Empty, and gone at the end, unless they name a folder with --data. */
export async function startCluster(
  folder: string,
  say: (line: string) => void,
  flags: readonly string[] = [],
  variables: Readonly<Record<string, string>> = {},
): Promise<Cluster> {
  mkdirSync(folder, { recursive: true })
  // `up --ephemeral` keeps its data in the folder for temporary files.
  const env = { ...process.env, TMPDIR: folder, ...variables }
  const command = [PROGRAM, 'up', '--json', '--port', '0', ...(flags.includes('--data') ? [] : ['--ephemeral']), ...flags]
  for (let attempt = 1; ; attempt++) {
    const server = new Server('thermocline', command, join(folder, 'up.log'), env)
    try {
      const ready = await server.until(() => readyEvent(server.output()), START_TIMEOUT_MS)
      return { ...ready, output: () => server.output(), stop: () => server.stop(STOP_GRACE_MS) }
    } catch (error) {
      await server.stop(STOP_GRACE_MS)
      if (attempt === START_ATTEMPTS) throw error
      say(`${(error as Error).message.trim()}\nstarting it again`)
    }
  }
}

export async function startThermocline(folder: string, version: string, say: (line: string) => void): Promise<Thermocline> {
  const cluster = await startCluster(folder, say)
  const system = new Thermocline(cluster, version)
  try {
    await system.fill(USUAL_SERIES)
    return system
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

function readyEvent(output: string): Omit<Cluster, 'stop' | 'output'> | undefined {
  const line = output.split('\n').find((one) => one.startsWith('{"event":"ready"'))
  if (line === undefined) return undefined
  const { endpoints, pids, memory } = JSON.parse(line) as ReadyEvent
  return { endpoints, pids: [...pids, ...memory.map(({ pid }) => pid)], memory }
}

export class Thermocline implements System {
  readonly name = 'thermocline'
  readonly version: string
  readonly pids: readonly number[]
  readonly loaderThreads = 1
  private readonly cluster: Cluster
  private readonly endpoints: string
  private readonly filled = new Set<number>()
  private readonly loaders = new EnoughLoaders<Workload>((loaders, workload, seconds) => this.loadWith(loaders, workload, seconds))

  constructor(cluster: Cluster, version: string) {
    this.cluster = cluster
    this.endpoints = cluster.endpoints.join(',')
    this.pids = cluster.pids
    this.version = version
  }

  async fill(series: number): Promise<void> {
    if (this.filled.has(series)) return
    await runQuietly(this.command({ mode: 'fill', series: String(series) }))
    this.filled.add(series)
  }

  async load(workload: Workload, seconds: number): Promise<Sample> {
    await this.fill(workload.series)
    return this.loaders.measure(workload, seconds)
  }

  private async loadWith(
    loaders: number,
    { mode, clients, batch, series, isOneSeries, connections: wanted, rate }: Workload,
    seconds: number,
  ): Promise<Sample> {
    // A library object has one connection to each replica.
    const connections = wanted === 'clients' ? clients * this.endpoints.split(',').length : (wanted ?? Math.min(clients, 64))
    const command = this.command({
      mode,
      clients: String(clients / loaders),
      connections: String(Math.ceil(connections / loaders)),
      series: String(series),
      batch: String(batch),
      seconds: String(seconds),
      pids: this.pids.join(','),
    })
    if (rate !== undefined) command.push('--rate', String(rate / loaders))
    if (isOneSeries === true) command.push('--one-series')
    if (typeof wanted === 'number') command.push('--spread')
    return mergeSamples(
      await runLoaders(
        Array.from({ length: loaders }, () => [...command, '--wait']),
        true,
      ),
    )
  }

  private command(flags: Readonly<Record<string, string>>): string[] {
    const all = { endpoints: this.endpoints, keys: String(KEYS), 'value-bytes': String(VALUE_BYTES), ...flags }
    return [process.execPath, LOADER, ...Object.entries(all).flatMap(([name, value]) => [`--${name}`, value])]
  }

  async stop(): Promise<void> {
    await this.cluster.stop()
  }
}
