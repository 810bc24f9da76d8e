/** A MemoryGroup as the builders see it: its spec with all defaults, and what the operator knows besides. */

import type { MemoryGroupSpec } from '../api/memory-group.ts'
import { LABELS } from '../api/names.ts'
import type { Cluster } from './cluster.ts'
import type { Owner } from './object.ts'

export interface MemoryTier extends Owner, Pick<Cluster, 'clusterId' | 'clusterDomain' | 'defaultImage' | 'policyVersion'> {
  readonly kind: 'MemoryGroup'
  readonly spec: MemoryGroupSpec
}

/** On everything of it: whose cache it is. */
export const paxosGroupLabel = ({ spec }: Pick<MemoryTier, 'spec'>): Record<string, string> => ({
  [LABELS.paxosGroup]: spec.paxosGroupRef.name,
})
