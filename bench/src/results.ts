/** Rounds → rows of results: the format of the files in bench/results/. */
import { isSaturated } from './enough-loaders.ts'
import type { Sample } from './sample.ts'
import { median, type Spread, spread } from './statistics.ts'
import type { System } from './system.ts'
import type { Workload } from './workloads.ts'

/** Medians over the rounds. */
export interface Side extends Sample {
  readonly name: string
  readonly spread: { readonly opsPerSecond: readonly [number, number]; readonly serverCpuUsPerOp: readonly [number, number] }
}

export interface Row {
  readonly workload: string
  readonly clients: number
  readonly batch: number
  readonly series?: number
  readonly ours: Side
  readonly peer: Side
  /** Ours ÷ the peer's: the median over rounds of each round's ratio, and the least and the most of them. */
  readonly ratio: {
    readonly opsPerSecond: number
    readonly p50: number
    readonly cpu: number
    readonly spread: { readonly opsPerSecond: readonly [number, number]; readonly cpu: readonly [number, number] }
  }
  readonly notes: readonly string[]
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  readonly fileSystem: string
}

export interface Results {
  readonly name: string
  readonly date: string
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  readonly rounds: number
  readonly secondsPerRun: number
  /** Tasks running or waiting besides the run's own, before it: the load average over a minute. */
  readonly loadBefore: number
  /** CPU cores that each system uses while nobody asks it anything. */
  readonly idleCores: Readonly<Record<string, number>>
  /** Of the memory tier: pages that each system holds, and what each promises of a read. */
  readonly pages?: number
  readonly readPromises?: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
}

/** What a row says of its workload. */
export type Measured = Pick<Workload, 'name' | 'clients' | 'batch' | 'caveat'> & { readonly series?: number }

/** What a row says of a system. */
export type Measurer = Pick<System, 'name' | 'loaderThreads'>

/** One round: ours, then the peer, right after each other. */
export interface Round {
  readonly ours: Sample
  readonly peer: Sample
}

const rounded = (value: number, digits: number): number => Number(value.toPrecision(digits))
const range = ({ least, most }: Spread): [number, number] => [rounded(least, 4), rounded(most, 4)]

function sideOf(name: string, samples: readonly Sample[]): Side {
  const writes = (value: (sample: Sample) => number | undefined) => samples.flatMap((sample) => value(sample) ?? [])
  const [writeP50s, writeP99s] = [writes((sample) => sample.writeP50Ms), writes((sample) => sample.writeP99Ms)]
  const of = (value: (sample: Sample) => number) => rounded(median(samples.map(value)), 4)
  return {
    name,
    opsPerSecond: of((sample) => sample.opsPerSecond),
    p50Ms: of((sample) => sample.p50Ms),
    p99Ms: of((sample) => sample.p99Ms),
    serverCpuUsPerOp: of((sample) => sample.serverCpuUsPerOp),
    loaderCpuUsPerOp: of((sample) => sample.loaderCpuUsPerOp),
    loaderCores: of((sample) => sample.loaderCores),
    loaders: Math.max(...samples.map(({ loaders }) => loaders)),
    errors: samples.reduce((sum, { errors }) => sum + errors, 0),
    ...(writeP50s.length === 0 ? {} : { writeP50Ms: rounded(median(writeP50s), 4), writeP99Ms: rounded(median(writeP99s), 4) }),
    spread: {
      opsPerSecond: range(spread(samples.map((sample) => sample.opsPerSecond))),
      serverCpuUsPerOp: range(spread(samples.map((sample) => sample.serverCpuUsPerOp))),
    },
  }
}

export function rowOf(workload: Measured, systems: { readonly ours: Measurer; readonly peer: Measurer }, rounds: readonly Round[]): Row {
  const ratios = (value: (sample: Sample) => number) => spread(rounds.map(({ ours, peer }) => value(ours) / value(peer)))
  const operations = ratios((sample) => sample.opsPerSecond)
  const cpu = ratios((sample) => sample.serverCpuUsPerOp)
  const ours = sideOf(
    systems.ours.name,
    rounds.map((round) => round.ours),
  )
  const peer = sideOf(
    systems.peer.name,
    rounds.map((round) => round.peer),
  )
  return {
    workload: workload.name,
    clients: workload.clients,
    batch: workload.batch,
    ...(workload.series === undefined ? {} : { series: workload.series }),
    ours,
    peer,
    ratio: {
      opsPerSecond: rounded(operations.median, 4),
      p50: rounded(ratios((sample) => sample.p50Ms).median, 4),
      cpu: rounded(cpu.median, 4),
      spread: { opsPerSecond: range(operations), cpu: range(cpu) },
    },
    notes: [
      ...(workload.caveat === undefined ? [] : [workload.caveat]),
      ...sideNotes(ours, systems.ours),
      ...sideNotes(peer, systems.peer),
    ],
  }
}

/** What keeps a side's figures from being what they seem. */
export function sideNotes(side: Side, { loaderThreads }: Measurer): string[] {
  const notes: string[] = []
  if (side.loaders > 1) notes.push(`${side.name} by ${side.loaders} loader processes: one had no CPU left`)
  if (isSaturated(side, loaderThreads)) {
    notes.push(`the loader of ${side.name} used ${side.loaderCores.toFixed(2)} cores per process: ops/s is the loader's limit`)
  }
  if (side.errors > 0) notes.push(`${side.name}: ${side.errors} calls failed`)
  return notes
}
