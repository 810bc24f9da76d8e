/** Ours: three replicas through `thermocline up --ephemeral`, and our loader against them. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runLoaders, runQuietly } from './loader-process.ts'
import { Server } from './processes.ts'
import { mergeSamples, type Sample } from './sample.ts'
import type { System } from './system.ts'
import { KEYS, USUAL_SERIES, VALUE_BYTES, type Workload } from './workloads.ts'

const PROGRAM = fileURLToPath(new URL('../../thermocline', import.meta.url))
const LOADER = fileURLToPath(new URL('./loader.ts', import.meta.url))
const START_TIMEOUT_MS = 60_000
const STOP_GRACE_MS = 15_000
/** The loader has one thread; above this share of a core it, and not the cluster, may be what is measured. */
const SATURATED_CORES = 0.9
/** Ports are found free and taken later; somebody else may be faster. */
const START_ATTEMPTS = 4

interface Ready {
  readonly endpoints: readonly string[]
  readonly pids: readonly number[]
}

export async function startThermocline(folder: string, version: string, say: (line: string) => void): Promise<Thermocline> {
  mkdirSync(folder, { recursive: true })
  // `up --ephemeral` keeps its data in the folder for temporary files.
  const env = { ...process.env, TMPDIR: folder }
  for (let attempt = 1; ; attempt++) {
    const server = new Server('thermocline', [PROGRAM, 'up', '--ephemeral', '--json', '--port', '0'], join(folder, 'up.log'), env)
    try {
      const ready = await server.until(() => readyEvent(server.output()), START_TIMEOUT_MS)
      const cluster = new Thermocline(server, ready, version)
      await cluster.fill(USUAL_SERIES)
      return cluster
    } catch (error) {
      await server.stop(STOP_GRACE_MS)
      if (attempt === START_ATTEMPTS) throw error
      say(`${(error as Error).message.trim()}\nstarting it again`)
    }
  }
}

function readyEvent(output: string): Ready | undefined {
  const line = output.split('\n').find((one) => one.startsWith('{"event":"ready"'))
  return line === undefined ? undefined : (JSON.parse(line) as Ready)
}

export class Thermocline implements System {
  readonly name = 'thermocline'
  readonly version: string
  readonly pids: readonly number[]
  private readonly server: Server
  private readonly endpoints: string
  private readonly filled = new Set<number>()
  /** Loader processes that a workload needs, once one was seen to be too few. */
  private readonly loadersOf = new Map<Workload, number>()

  constructor(server: Server, ready: Ready, version: string) {
    this.server = server
    this.endpoints = ready.endpoints.join(',')
    this.pids = ready.pids
    this.version = version
  }

  async fill(series: number): Promise<void> {
    if (this.filled.has(series)) return
    await runQuietly(this.command({ mode: 'fill', series: String(series) }))
    this.filled.add(series)
  }

  /** Measures with one loader; if that one has no CPU left, again with two, and from then on with two. */
  async load(workload: Workload, seconds: number): Promise<Sample> {
    await this.fill(workload.series)
    const sample = await this.loadWith(this.loadersOf.get(workload) ?? 1, workload, seconds)
    if (sample.loaders > 1 || sample.loaderCores < SATURATED_CORES || workload.clients < 2) return sample
    this.loadersOf.set(workload, 2)
    return this.loadWith(2, workload, seconds)
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
    await this.server.stop(STOP_GRACE_MS)
  }
}
