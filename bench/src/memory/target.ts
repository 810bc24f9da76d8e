/**
 * What the memory tier's workloads run against: servers, and a loader that speaks to them. The loader of etcd, which is
 * written in Go for etcd's own client, takes the same flags as ours, so one class drives all.
 */
import { EnoughLoaders } from '../enough-loaders.ts'
import { runLoaders, runQuietly } from '../loader-process.ts'
import { mergeSamples, type Sample } from '../sample.ts'
import type { System } from '../system.ts'
import { VALUE_BYTES } from '../workloads.ts'
import type { DatasetFiles } from './dataset.ts'
import type { MemoryWorkload } from './workloads.ts'

const MAX_CONNECTIONS = 64
const FILL_CONNECTIONS = 8

export interface TargetParts {
  readonly name: string
  readonly version: string
  readonly pids: readonly number[]
  /** What a reader may rely on, in a sentence. */
  readonly readPromise: string
  readonly endpoints: readonly string[]
  /** The loader's program and the flags that tell it what it speaks to. */
  readonly loader: readonly string[]
  /** One that has several is never run twice at once. */
  readonly loaderThreads: number
  /** Flags for filling only. */
  readonly fillFlags?: readonly string[]
  stop(): Promise<void>
}

type Flags = Readonly<Record<string, string | number>>

export class Target implements System<MemoryWorkload> {
  readonly name: string
  readonly version: string
  readonly pids: readonly number[]
  readonly readPromise: string
  readonly loaderThreads: number
  private readonly parts: TargetParts
  private readonly dataset: DatasetFiles
  private readonly loaders = new EnoughLoaders<MemoryWorkload>((loaders, workload, seconds) => this.loadWith(loaders, workload, seconds))
  /** Each loader process begins elsewhere in what is drawn. */
  private seed = 0

  constructor(parts: TargetParts, dataset: DatasetFiles) {
    this.parts = parts
    this.dataset = dataset
    this.name = parts.name
    this.version = parts.version
    this.pids = parts.pids
    this.readPromise = parts.readPromise
    this.loaderThreads = parts.loaderThreads
  }

  /** Writes every page once. Says at each tenth how many it has. */
  async fill(say: (line: string) => void): Promise<void> {
    const { pages } = this.dataset
    let tenths = 0
    const onText = (text: string): void => {
      const filled = Number(text.trim().split('\n').at(-1))
      if (filled * 10 < (tenths + 1) * pages) return
      tenths = Math.floor((filled * 10) / pages)
      say(`${this.name}: ${filled.toLocaleString('en')} of ${pages.toLocaleString('en')} pages`)
    }
    await runQuietly([...this.command({ mode: 'fill', connections: FILL_CONNECTIONS }), ...(this.parts.fillFlags ?? [])], onText)
  }

  load(workload: MemoryWorkload, seconds: number): Promise<Sample> {
    return this.loaderThreads > 1 ? this.loadWith(1, workload, seconds) : this.loaders.measure(workload, seconds)
  }

  private async loadWith(loaders: number, { clients, batch, writeShare, rate, burstMs }: MemoryWorkload, seconds: number): Promise<Sample> {
    const commands = Array.from({ length: loaders }, () =>
      this.command({
        mode: 'load',
        clients: clients / loaders,
        connections: Math.ceil(Math.min(clients, MAX_CONNECTIONS) / loaders),
        batch,
        'write-share': writeShare,
        ...(rate === undefined ? {} : { rate: rate / loaders, 'burst-ms': burstMs ?? 1 }),
        seconds,
        seed: this.seed++,
        pids: this.pids.join(','),
      }),
    )
    return mergeSamples(await runLoaders(commands, true))
  }

  private command(flags: Flags): string[] {
    const { pages, draws, values } = this.dataset
    const all: Flags = { endpoints: this.parts.endpoints.join(','), keys: pages, draws, values, 'value-bytes': VALUE_BYTES, ...flags }
    return [...this.parts.loader, ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)]
  }

  stop(): Promise<void> {
    return this.parts.stop()
  }
}
