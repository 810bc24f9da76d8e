/** The figures of a memory node, by metric: what `/metrics` tells. */

import { VERSION } from '../../version.ts'
import type { MemoryConfig } from './config.ts'
import type { MemoryNode } from './memory-node.ts'
import type { MEMORY_METRICS, MemoryMetricName } from './metric-table.ts'
import type { WarmUpState } from './warm-up.ts'

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** One number, or one for each set of labels. */
export type Figures = {
  readonly [Name in MemoryMetricName]: (typeof MEMORY_METRICS)[Name] extends { readonly labels: readonly string[] }
    ? readonly Sample[]
    : number
}

export const STATES = ['starting', 'warming', 'serving', 'stopping'] as const satisfies readonly MemoryNode['state'][]
export const WARM_UP_STATES = ['cold', 'prefetching', 'ramping', 'warm'] as const satisfies readonly WarmUpState['state'][]

/** Before the tier is open it has counted nothing. */
const NOTHING_YET: NonNullable<ReturnType<MemoryNode['stats']>> = {
  requests: 0,
  waiting: 0,
  joined: 0,
  again: 0,
  answered: 0,
  notCached: 0,
  refused: 0,
  overloaded: 0,
  validations: 0,
  series: 0,
  pages: 0,
  lookedUp: 0,
  found: 0,
  later: 0,
  unchanged: 0,
  absent: 0,
  records: 0,
  page: 0,
  large: 0,
  cacheBytes: 0,
  warm: 0,
  rings: [],
}

export function figuresOf(node: MemoryNode, { group, machine }: MemoryConfig, wallMs: number): Figures {
  const stats = node.stats() ?? NOTHING_YET
  const { rings } = stats
  const topology = node.topology()
  const warmUp = node.warmUp()
  const perRing = (of: (ring: (typeof rings)[number]) => number): Sample[] =>
    rings.map((ring, at) => ({ labels: { ring: String(at) }, value: of(ring) }))
  const isOne = <T extends string>(label: string, all: readonly T[], current: T): Sample[] =>
    all.map((one) => ({ labels: { [label]: one }, value: one === current ? 1 : 0 }))
  const counted = (label: string, counts: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(counts).map(([name, value]) => ({ labels: { [label]: name }, value }))
  return {
    requests_total: stats.requests + node.refusedUntaken,
    requests_joined_total: stats.joined,
    requests_again_total: stats.again,
    requests_overloaded_total: stats.overloaded,
    responses_total: counted('result', {
      answered: stats.answered,
      not_cached: stats.notCached,
      refused: stats.refused + node.refusedUntaken,
    }),
    requests_waiting: stats.waiting,
    client_connections: node.clients,
    unfinished_bytes: node.traffic.unfinished.bytes,
    untaken_bytes: node.traffic.untaken.total,
    pages_looked_up_total: stats.lookedUp,
    pages_found_total: stats.found,
    validations_total: stats.validations,
    validated_series_total: stats.series,
    validated_pages_total: stats.pages,
    later_series_total: stats.later,
    validations_failed_total: node.failedValidations,
    verdicts_total: counted('verdict', {
      unchanged: stats.unchanged,
      absent: stats.absent,
      records: stats.records,
      page: stats.page,
      large: stats.large,
    }),
    ring_hits_total: perRing(({ hits }) => hits),
    ring_misses_total: perRing(({ misses }) => misses),
    ring_evictions_total: perRing(({ evictions }) => evictions),
    ring_torn_total: perRing(({ torn }) => torn),
    ring_bytes: perRing(({ bytes }) => bytes),
    ring_oldest_age_seconds: perRing(({ oldestSeconds }) => (oldestSeconds === 0 ? 0 : Math.max(0, wallMs / 1000 - oldestSeconds))),
    cache_bytes: stats.cacheBytes,
    cache_kept: stats.warm,
    epoch: topology?.epoch ?? 0,
    traffic_ratio: (topology?.memory?.ratioPercent ?? 0) / 100,
    newer_than_seconds: (topology?.memory?.newerThanMs ?? 0) / 1000,
    warm_up_state: isOne('state', WARM_UP_STATES, warmUp.state),
    warm_up_left_seconds: warmUp.leftMs / 1000,
    warm_up_pages: warmUp.pages,
    warm_up_bytes: warmUp.bytes,
    state: isOne('state', STATES, node.state),
    uptime_seconds: node.uptimeMs() / 1000,
    info: [{ labels: { version: VERSION, group: String(group), machine: String(machine) }, value: 1 }],
  }
}
