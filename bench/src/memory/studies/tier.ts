/** A cluster of ours with memory nodes, whose figures a study reads from their own HTTP ports. */
import { join } from 'node:path'
import { type Cluster, startCluster } from '../../cluster.ts'
import { ownVersion } from '../../program.ts'
import type { DatasetFiles } from '../dataset.ts'
import { type Say, thermoclineParts } from '../peers.ts'
import { Target } from '../target.ts'

export interface TierOptions {
  readonly memory: number
  readonly cache: string
  /** Keeps what is stored when it ends; the next one begins with it. */
  readonly data?: string
  readonly variables?: Readonly<Record<string, string>>
  /** More of `up`. */
  readonly flags?: readonly string[]
}

/** Sums over all rings of a memory node, and what it was asked and answered. */
export interface TierFigures {
  readonly hits: number
  readonly misses: number
  readonly evictions: number
  readonly requests: number
  readonly overloaded: number
  /** Pages that the storage tier had to send. */
  readonly fetched: number
}

type Ring = Pick<TierFigures, 'hits' | 'misses' | 'evictions'>

interface Status {
  readonly cache: { readonly rings: readonly Ring[]; readonly requests: number; readonly overloaded: number; readonly page: number }
}

export async function figuresOf(http: string): Promise<TierFigures> {
  const { cache } = (await (await fetch(`${http}/v1/admin/status`)).json()) as Status
  const sum = (of: (ring: Ring) => number): number => cache.rings.reduce((all, ring) => all + of(ring), 0)
  return {
    hits: sum(({ hits }) => hits),
    misses: sum(({ misses }) => misses),
    evictions: sum(({ evictions }) => evictions),
    requests: cache.requests,
    overloaded: cache.overloaded,
    fetched: cache.page,
  }
}

export const hitRate = ({ hits, misses }: Pick<TierFigures, 'hits' | 'misses'>): number => hits / Math.max(1, hits + misses)

export interface TierCluster {
  readonly cluster: Cluster
  readonly target: Target
  readonly storagePids: readonly number[]
  readonly memoryPids: readonly number[]
  /** The same, where other processes serve. */
  targetWith(pids: readonly number[]): Target
  stop(): Promise<void>
}

export async function startTier(folder: string, dataset: DatasetFiles, say: Say, options: TierOptions): Promise<TierCluster> {
  const flags = ['--memory', String(options.memory), '--cache', options.cache, ...(options.flags ?? [])]
  if (options.data !== undefined) flags.push('--data', options.data)
  const cluster = await startCluster(join(folder, 'thermocline'), say, flags, options.variables)
  const memoryPids = cluster.memory.map(({ pid }) => pid)
  const targetWith = (pids: readonly number[]): Target => new Target(thermoclineParts({ ...cluster, pids }, ownVersion()), dataset)
  return {
    cluster,
    target: targetWith(cluster.pids),
    targetWith,
    storagePids: cluster.pids.filter((pid) => !memoryPids.includes(pid)),
    memoryPids,
    stop: () => cluster.stop(),
  }
}
