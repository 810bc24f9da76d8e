/**
 * The topology document: addresses and zones as they are, slots and slices as the cluster began with them. Its epoch is raised by one above
 * everything that a node, the ConfigMap or the status has named, and only when something else in it changes. A node that has a
 * newer one may be away: what counts is what may have been given to it.
 */
import { canonicalTopology, DEFAULT_DATA_PORT, DEFAULT_HTTP_PORT, type Topology } from '@thermocline/protocol'
import { hostOf } from '../api/names.ts'
import type { Cluster } from '../specs/cluster.ts'
import { planMemoryTopology } from './memory-topology.ts'
import type { Initial, Observed } from './observed.ts'

/** Undefined: nobody answers who could take one, or some node has a newer one than could be read in this pass. */
export function planTopology(cluster: Cluster, observed: Observed, { volumes, sliceDurationMs }: Initial): Topology | undefined {
  const { topology: current } = observed
  const epochs = observed.groups.flat().flatMap(({ facts }) => (facts === undefined ? [] : [facts.epoch]))
  if (epochs.length === 0 || Math.max(...epochs) > (current?.epoch ?? 0)) return undefined
  const memory = planMemoryTopology(cluster, observed, volumes.length)
  const next: Topology = {
    formatVersion: 1,
    clusterId: cluster.clusterId,
    epoch: current?.epoch ?? 0,
    sliceDurationMs,
    restoreGeneration: current?.restoreGeneration ?? 0,
    groups: volumes.map((row, group) => ({
      group,
      replicas: row.map((incarnation, replica) => {
        const host = hostOf(cluster, group, replica)
        return {
          replica,
          data: `${host}:${DEFAULT_DATA_PORT}`,
          http: `${host}:${DEFAULT_HTTP_PORT}`,
          zone: zoneOf(observed, group, replica),
          incarnation,
        }
      }),
    })),
    ...(memory === undefined ? {} : { memory }),
  }
  if (current !== undefined && canonicalTopology(current) === canonicalTopology(next)) return current
  return { ...next, epoch: Math.max(current?.epoch ?? 0, observed.bootstrap?.epoch ?? 0, observed.status.topologyEpoch ?? 0) + 1 }
}

/** Of the node that the pod is on; what was known stays while it is on none. */
function zoneOf({ groups, nodes, topology }: Observed, group: number, replica: number): string {
  const node = groups[group]?.[replica]?.pod?.node
  const zone = node === undefined ? undefined : nodes.get(node)?.zone
  return zone ?? topology?.groups[group]?.replicas[replica]?.zone ?? ''
}

/** Replicas that answer and do not hold this epoch. */
export function replicasBehind({ groups }: Observed, epoch: number): { group: number; replica: number }[] {
  return groups.flat().flatMap(({ group, replica, facts }) => (facts !== undefined && facts.epoch < epoch ? [{ group, replica }] : []))
}
