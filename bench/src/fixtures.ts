/** Values for the tests of this folder. */
import { type Results, type Round, rowOf } from './results.ts'
import type { Sample } from './sample.ts'
import { WORKLOADS, type Workload } from './workloads.ts'

export const PUT = WORKLOADS.find(({ name }) => name === 'put, 128 clients') as Workload

export const SIDES = { ours: { name: 'thermocline', loaderThreads: 1 }, peer: { name: 'etcd', loaderThreads: 2 } }

export function sample(opsPerSecond: number, serverCpuUsPerOp: number, rest: Partial<Sample> = {}): Sample {
  return {
    opsPerSecond,
    serverCpuUsPerOp,
    p50Ms: 1,
    p99Ms: 2,
    loaderCpuUsPerOp: 10,
    loaderCores: 0.5,
    loaders: 1,
    errors: 0,
    ...rest,
  }
}

/** Rounds against a peer that makes 5000 ops/s at 200 µs each. */
export function rounds(...ours: readonly (readonly [number, number])[]): Round[] {
  return ours.map(([operations, cpu]) => ({ ours: sample(operations, cpu), peer: sample(5000, 200) }))
}

export function results(...all: readonly Round[]): Results {
  return {
    name: 'test',
    date: '2026-01-01T00:00:00.000Z',
    machine: { cpu: 'one', cores: 2, memoryGiB: 8, kernel: '6', node: '24', fileSystem: 'ext4' },
    versions: { thermocline: '1', etcd: '3' },
    rounds: all.length,
    secondsPerRun: 1,
    loadBefore: 0.1,
    idleCores: { etcd: 0.01, thermocline: 0.02 },
    rows: all.length === 0 ? [] : [rowOf(PUT, SIDES, all)],
  }
}
