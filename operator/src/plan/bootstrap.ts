/**
 * Filling the slots of a new cluster, once (⚖15). The volumes that all replicas report, fresh and of this cluster, are put
 * down in the ConfigMap by compare-and-set, and with them the slice duration; from then on the ConfigMap is what says who the first
 * voters were, and a volume that comes later is a replacement.
 */
import type { Incarnation } from '@thermocline/protocol'
import { parseDuration } from '../api/quantity.ts'
import type { Cluster } from '../specs/cluster.ts'
import type { Initial, Observed } from './observed.ts'
import { describe } from './rollout.ts'

/** What the cluster begins with, or what is waited for. */
export type Filling = { readonly initial: Initial } | { readonly waitsFor: string } | { readonly refused: string }

export function fillSlots({ groups }: Pick<Observed, 'groups'>, { clusterId, spec }: Pick<Cluster, 'clusterId' | 'spec'>): Filling {
  const missing: string[] = []
  const volumes: Incarnation[][] = []
  for (const replicas of groups) {
    const row: Incarnation[] = []
    for (const one of replicas) {
      const { group, replica, facts } = one
      if (one.foreign !== undefined) return { refused: `${describe(one)}; put the right volume, or an empty one, behind its claim` }
      if (facts === undefined || facts.clusterId !== clusterId) missing.push(`g${group}-${replica}`)
      else if (facts.standing !== 'fresh' || facts.incarnation.number !== 0) {
        return {
          refused: `replica ${replica} of group ${group} has a volume that was in use before (${facts.standing}, incarnation ${facts.incarnation.number}), but nothing says which volumes the cluster began with; restore the ConfigMap from a backup, or start with empty volumes`,
        }
      } else row.push(facts.incarnation)
    }
    volumes.push(row)
  }
  if (missing.length > 0) return { waitsFor: `waiting for ${listed(missing)} to answer` }
  return { initial: { volumes, sliceDurationMs: parseDuration(spec.sliceDuration) as number } }
}

const MOST_LISTED = 5

function listed(names: readonly string[]): string {
  const more = names.length - MOST_LISTED
  return more > 0 ? `${names.slice(0, MOST_LISTED).join(', ')} and ${more} more` : names.join(', ')
}
