/**
 * Filling the slots of a new cluster, once (⚖15). The volumes that all replicas report, fresh and of this cluster, are put
 * down in the ConfigMap by compare-and-set; from then on the ConfigMap is what says who the first voters were, and a volume
 * that comes later is a replacement.
 */
import type { Incarnation } from '@thermocline/protocol'
import type { Observed } from './observed.ts'

/** The first volumes of all slots, or what is waited for. */
export type Filling =
  | { readonly volumes: readonly (readonly Incarnation[])[] }
  | { readonly waitsFor: string }
  | { readonly refused: string }

export function fillSlots({ groups }: Pick<Observed, 'groups'>, clusterId: string): Filling {
  const missing: string[] = []
  const volumes: Incarnation[][] = []
  for (const replicas of groups) {
    const row: Incarnation[] = []
    for (const { group, replica, facts } of replicas) {
      if (facts === undefined || facts.clusterId !== clusterId) missing.push(`g${group}-${replica}`)
      else if (facts.standing !== 'fresh' || facts.incarnation.number !== 0) {
        return {
          refused: `replica ${replica} of group ${group} has a volume that was in use before (${facts.standing}, incarnation ${facts.incarnation.number}), but nothing says which volumes the cluster began with; restore the ConfigMap from a backup, or start with empty volumes`,
        }
      } else row.push(facts.incarnation)
    }
    volumes.push(row)
  }
  return missing.length === 0 ? { volumes } : { waitsFor: `waiting for ${listed(missing)} to answer` }
}

const MOST_LISTED = 5

function listed(names: readonly string[]): string {
  const more = names.length - MOST_LISTED
  return more > 0 ? `${names.slice(0, MOST_LISTED).join(', ')} and ${more} more` : names.join(', ')
}
