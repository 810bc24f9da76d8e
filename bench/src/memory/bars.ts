/** What the memory tier is held to, at 128 clients: computed from the rows of one run. */
import type { Results, Row } from '../results.ts'
import { memoryWorkload } from './workloads.ts'

const CLIENTS = 128
const BATCH = 32

export interface Bar {
  readonly what: string
  readonly wanted: string
  readonly found: number
  readonly isMet: boolean
}

const atMost = (what: string, most: number, found: number | undefined): Bar[] =>
  found === undefined ? [] : [{ what, wanted: `≤ ${most}`, found, isMet: found <= most }]
const atLeast = (what: string, least: number, found: number | undefined): Bar[] =>
  found === undefined ? [] : [{ what, wanted: `≥ ${least}`, found, isMet: found >= least }]

/** Those that the rows of a run tell of; one that was narrowed has fewer. */
export function barsOf({ rows }: Pick<Results, 'rows'>): Bar[] {
  const row = (batch: number, isMixed: boolean, peer?: string): Row | undefined => {
    const { name } = memoryWorkload(CLIENTS, batch, isMixed)
    return rows.find(({ workload, peer: side }) => workload === name && (peer === undefined || side.name === peer))
  }
  const share = (a: Row | undefined, b: Row | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : Number((a.ours.opsPerSecond / b.ours.opsPerSecond).toPrecision(3))
  const [single, batches] = [row(1, false), row(BATCH, false)]
  const [mixed, mixedBatches] = [row(1, true), row(BATCH, true)]
  return [
    ...atMost('single reads, CPU ÷ etcd', 0.1, row(1, false, 'etcd')?.ratio.cpu),
    ...atMost('single reads, CPU ÷ Redis GET', 2, row(1, false, 'redis')?.ratio.cpu),
    ...atMost(`batches of ${BATCH}, CPU per record ÷ Redis MGET`, 4, row(BATCH, false, 'redis')?.ratio.cpu),
    ...atMost(`batches of ${BATCH}, CPU per record ÷ etcd’s transactions`, 1 / 8, row(BATCH, false, 'etcd')?.ratio.cpu),
    ...atLeast('single reads, ops/s with writes 100:1 ÷ read-only', 0.8, share(mixed, single)),
    ...atLeast(`batches of ${BATCH}, ops/s with writes 100:1 ÷ read-only`, 0.8, share(mixedBatches, batches)),
    ...atLeast(`batches of ${BATCH} ÷ singles, records/s`, 8, share(batches, single)),
  ]
}
