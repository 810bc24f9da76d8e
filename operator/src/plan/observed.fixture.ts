/** Situations for tests of the plan: a group where all is well, and what is changed of it. */
import { paxosGroupSpecSchema } from '../api/paxos-group.ts'
import type { Cluster } from '../specs/cluster.ts'
import type { NodeFacts, Observed, ObservedClaim, ObservedPod, ObservedReplica } from './observed.ts'

export const CLUSTER_ID = 'ab'.repeat(16)
export const NOW_MS = Date.parse('2026-11-25T12:00:00Z')
export const TEMPLATE = 'template-1'
const GIB = 1024 ** 3
export const DAY_MS = 86_400_000

export function clusterWith(spec: Record<string, unknown> = {}): Cluster {
  return {
    kind: 'PaxosGroup',
    name: 'orders',
    namespace: 'shop',
    uid: 'uid-1',
    spec: paxosGroupSpecSchema.parse(spec),
    clusterId: CLUSTER_ID,
    clusterDomain: 'cluster.local',
    defaultImage: 'thermocline:1',
    policyVersion: 'policy/v1',
  }
}

export const nonceOf = (group: number, replica: number): string => `${group}${replica}`.padStart(16, '0')

export function factsOf(group: number, replica: number, changes: Partial<NodeFacts> = {}): NodeFacts {
  return {
    version: '0.1.0',
    state: 'serving',
    clusterId: CLUSTER_ID,
    group,
    replica,
    incarnation: { number: 0, nonce: nonceOf(group, replica) },
    standing: 'voter',
    mode: 'Voter',
    epoch: 1,
    chosenTotal: 1000,
    writes: { state: 'accepted' },
    ...changes,
  }
}

export function podOf(group: number, replica: number, changes: Partial<ObservedPod> = {}): ObservedPod {
  return {
    name: `orders-g${group}-${replica}`,
    uid: `pod-${group}-${replica}`,
    node: `n${replica + 1}`,
    ip: `10.0.${group}.${replica}`,
    phase: 'Running',
    isReady: true,
    isDeleting: false,
    templateHash: TEMPLATE,
    createdAtMs: NOW_MS - 3_600_000,
    trouble: undefined,
    ...changes,
  }
}

export function claimOf(group: number, replica: number, changes: Partial<ObservedClaim> = {}): ObservedClaim {
  return {
    name: `data-orders-g${group}-${replica}`,
    uid: `claim-${group}-${replica}`,
    isBound: true,
    isDeleting: false,
    requestedBytes: 10 * GIB,
    capacityBytes: 10 * GIB,
    clusterId: CLUSTER_ID,
    pinnedTo: [`n${replica + 1}`],
    isLost: false,
    holdsForeign: false,
    ...changes,
  }
}

export const replicaOf = (group: number, replica: number): ObservedReplica => ({
  group,
  replica,
  pod: podOf(group, replica),
  claim: claimOf(group, replica),
  facts: factsOf(group, replica),
})

/** All is well; `change` replaces replicas. */
export function observedWith(
  { groups = 1, replicas = 3, ...rest }: Partial<Omit<Observed, 'groups'>> & { groups?: number; replicas?: number } = {},
  change: (replica: ObservedReplica) => ObservedReplica = (one) => one,
): Observed {
  const slots = Array.from({ length: groups }, (_, group) => Array.from({ length: replicas }, (_, replica) => replicaOf(group, replica)))
  return {
    nowMs: NOW_MS,
    status: {},
    generation: 1,
    bootstrap: {
      resourceVersion: '7',
      clusterId: CLUSTER_ID,
      initial: { volumes: slots.map((row) => row.map(({ facts }) => (facts as NodeFacts).incarnation)), sliceDurationMs: DAY_MS },
      epoch: 1,
    },
    groups: slots.map((row) => row.map(change)),
    statefulSets: slots.map((_, group) => ({
      uid: `set-${group}`,
      templateHash: TEMPLATE,
      specHash: undefined,
      claimBytes: 10 * GIB,
      isDeleting: false,
    })),
    nodes: new Map(slots[0]?.map((_, at) => [`n${at + 1}`, { isReady: true, isUnschedulable: false, zone: `z${at + 1}` }])),
    canSeeNodes: true,
    topology: undefined,
    memory: 'none',
    ...rest,
  }
}
