/** Rounds → rows of results: the format of the files in bench/results/. */
import type { Sample } from './sample.ts'
import { median, type Spread, spread } from './statistics.ts'
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
  readonly series: number
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
  readonly rows: readonly Row[]
}

/** One round: ours, then the peer, right after each other. */
export interface Round {
  readonly ours: Sample
  readonly peer: Sample
}

/** A loader of ours with less than a tenth of a core left is what limits the figure. */
const SATURATED_CORES = 0.9

const rounded = (value: number, digits: number): number => Number(value.toPrecision(digits))
const range = ({ least, most }: Spread): [number, number] => [rounded(least, 4), rounded(most, 4)]

function sideOf(name: string, samples: readonly Sample[]): Side {
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
    spread: {
      opsPerSecond: range(spread(samples.map((sample) => sample.opsPerSecond))),
      serverCpuUsPerOp: range(spread(samples.map((sample) => sample.serverCpuUsPerOp))),
    },
  }
}

export function rowOf(workload: Workload, peerName: string, rounds: readonly Round[]): Row {
  const ratios = (value: (sample: Sample) => number) => spread(rounds.map(({ ours, peer }) => value(ours) / value(peer)))
  const operations = ratios((sample) => sample.opsPerSecond)
  const cpu = ratios((sample) => sample.serverCpuUsPerOp)
  const ours = sideOf(
    'thermocline',
    rounds.map((round) => round.ours),
  )
  const peer = sideOf(
    peerName,
    rounds.map((round) => round.peer),
  )
  return {
    workload: workload.name,
    clients: workload.clients,
    batch: workload.batch,
    series: workload.series,
    ours,
    peer,
    ratio: {
      opsPerSecond: rounded(operations.median, 4),
      p50: rounded(ratios((sample) => sample.p50Ms).median, 4),
      cpu: rounded(cpu.median, 4),
      spread: { opsPerSecond: range(operations), cpu: range(cpu) },
    },
    notes: notesOf(workload, ours, peer),
  }
}

function notesOf(workload: Workload, ours: Side, peer: Side): string[] {
  const notes: string[] = []
  if (workload.caveat !== undefined) notes.push(workload.caveat)
  if (ours.loaders > 1) notes.push(`ours by ${ours.loaders} loader processes: one had no CPU left`)
  if (ours.loaderCores > SATURATED_CORES) {
    notes.push(`our loader used ${ours.loaderCores.toFixed(2)} cores per process: ops/s is the loader's limit`)
  }
  for (const side of [ours, peer]) if (side.errors > 0) notes.push(`${side.name}: ${side.errors} calls failed`)
  return notes
}
