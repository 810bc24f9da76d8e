/** Situations for tests of the memory tier's plan: two machines in each of its groups, all of which serve. */
import type { MemoryTopology, Topology } from '@thermocline/protocol'
import { memoryGroupSpecSchema } from '../api/memory-group.ts'
import { memoryMarks, memoryTemplateHash } from '../specs/memory-objects.ts'
import type { MemoryTier } from '../specs/memory-tier.ts'
import type { ObservedMachine, ObservedMemoryGroup, ObservedMemorySet, ObservedStorage } from './memory-observed.ts'
import { addressesOf, settingsOf } from './memory-topology.ts'
import { CLUSTER_ID, NOW_MS, nonceOf } from './observed.fixture.ts'
import type { ObservedPod } from './observed.ts'

export const UID = 'uid-m'

export function tierWith(spec: Record<string, unknown> = {}): MemoryTier {
  return {
    kind: 'MemoryGroup',
    name: 'cache',
    namespace: 'shop',
    uid: UID,
    spec: memoryGroupSpecSchema.parse({ paxosGroupRef: { name: 'orders' }, ...spec }),
    clusterId: CLUSTER_ID,
    clusterDomain: 'cluster.local',
    defaultImage: 'thermocline:1',
    policyVersion: 'policy/v1',
  }
}

export function machinePod(group: number, machine: number, changes: Partial<ObservedPod> = {}): ObservedPod {
  return {
    name: `cache-m${group}-${machine}`,
    uid: `pod-m${group}-${machine}`,
    node: `n${machine + 1}`,
    ip: `10.1.${group}.${machine}`,
    phase: 'Running',
    isReady: true,
    isDeleting: false,
    templateHash: memoryTemplateHash(tierWith()),
    createdAtMs: NOW_MS,
    trouble: undefined,
    ...changes,
  }
}

/** The tier in a topology: so many machines of each group. */
export function listedTier(machines: readonly number[], spec: Record<string, unknown> = {}): MemoryTopology {
  const tier = tierWith(spec)
  const groups = machines.map((count, group) =>
    Array.from({ length: count }, (_, machine) => ({ ...addressesOf(tier, group, machine), zone: `z${machine + 1}` })),
  )
  return { ...settingsOf(tier.spec), groups }
}

export function topologyWith(memory: MemoryTopology | undefined, { epoch = 7, groups = 1 } = {}): Topology {
  return {
    formatVersion: 1,
    clusterId: CLUSTER_ID,
    epoch,
    sliceDurationMs: 86_400_000,
    restoreGeneration: 0,
    groups: Array.from({ length: groups }, (_, group) => ({
      group,
      replicas: [0, 1, 2].map((replica) => ({
        replica,
        data: `orders-g${group}-${replica}:7400`,
        http: `orders-g${group}-${replica}:7401`,
        zone: '',
        incarnation: { number: 0, nonce: nonceOf(group, replica) },
      })),
    })),
    ...(memory === undefined ? {} : { memory }),
  }
}

export function storageWith(changes: Partial<ObservedStorage> = {}): ObservedStorage {
  return {
    clusterId: CLUSTER_ID,
    groups: 1,
    topology: topologyWith(listedTier([2])),
    epochs: [7, 7, 7],
    namedEpoch: 7,
    limit: undefined,
    resourceVersion: '9',
    ...changes,
  }
}

export interface Given extends Partial<Omit<ObservedMemoryGroup, 'parts'>> {
  /** Machines that each group's StatefulSet has. */
  readonly sets?: readonly number[]
  readonly set?: Partial<ObservedMemorySet>
  /** Machines that there are and shall be, by group; as many as the StatefulSets have. */
  readonly slots?: readonly number[]
}

export function memoryWith(
  { sets = [2], slots = sets, set = {}, ...rest }: Given = {},
  change: (machine: ObservedMachine) => ObservedMachine = (one) => one,
): ObservedMemoryGroup {
  return {
    nowMs: NOW_MS,
    status: {},
    generation: 1,
    storage: storageWith(),
    parts: slots.map((count, group) => ({
      hasObjects: sets[group] !== undefined,
      set:
        sets[group] === undefined
          ? undefined
          : {
              uid: `set-m${group}`,
              labels: memoryMarks(tierWith(), group).labels,
              owner: UID,
              templateHash: memoryTemplateHash(tierWith()),
              replicas: sets[group],
              partition: 0,
              isDeleting: false,
              ...set,
            },
      machines: Array.from({ length: count }, (_, machine) =>
        change({
          group,
          machine,
          pod: machine < (sets[group] ?? 0) ? machinePod(group, machine) : undefined,
          facts: { version: '0.1.0', state: 'serving', clusterId: CLUSTER_ID, group, machine },
        }),
      ),
    })),
    nodes: new Map([0, 1, 2, 3].map((at) => [`n${at + 1}`, { isReady: true, isUnschedulable: false, zone: `z${at + 1}` }])),
    ...rest,
  }
}
