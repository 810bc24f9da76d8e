/**
 * The memory tier in the topology: which machines clients are sent to, and with what of their reads.
 *
 * A machine is listed once it was ready, which means warm, and stays listed while it is wanted: pods that come and go make no new epoch,
 * and clients find out by themselves who answers. One that is not wanted any more leaves the topology first, and ends later
 * (memory-scaling.ts). More groups are in force only when each of the new ones has a machine: until then their share of the blocks stays
 * where it is cached.
 */
import { DEFAULT_DATA_PORT, DEFAULT_HTTP_PORT, MAX_MEMORY_MACHINES, type MemoryTopology } from '@thermocline/protocol'
import type { MemoryGroupSpec } from '../api/memory-group.ts'
import { machineHostOf, machinePodName } from '../api/names.ts'
import { parseDuration } from '../api/quantity.ts'
import type { Cluster } from '../specs/cluster.ts'
import type { Observed, ObservedMemory } from './observed.ts'

type Machine = MemoryTopology['groups'][number][number]
type Settings = Pick<MemoryTopology, 'newerThanMs' | 'ratioPercent' | 'warmUpMs'>

/** A MemoryGroup's name and where it is. */
export interface MemoryAt {
  readonly name: string
  readonly namespace: string
  readonly clusterDomain: string
}

export function planMemoryTopology(
  { namespace, clusterDomain }: Pick<Cluster, 'namespace' | 'clusterDomain'>,
  observed: Observed,
  storageGroups: number,
): MemoryTopology | undefined {
  const { memory } = observed
  const current = observed.topology?.memory
  if (memory === 'unknown') return current
  if (memory === 'none') return undefined
  const at = { name: memory.name, namespace, clusterDomain }
  const before = listedBy(at, current)
  const { spec } = memory
  if (spec === undefined) return current === undefined ? undefined : tierOf(current, before)
  return tierOf(settingsOf(spec), groupsOf(at, observed, memory, { before, spec, storageGroups }))
}

export const settingsOf = ({ newerThan, trafficPercent, warmUp }: MemoryGroupSpec): Settings => ({
  newerThanMs: newerThan === undefined ? 0 : (parseDuration(newerThan) as number),
  ratioPercent: trafficPercent,
  warmUpMs: parseDuration(warmUp.duration) as number,
})

/** Undefined without a machine: reads then go to the storage tier, as if there were none. */
function tierOf({ newerThanMs, ratioPercent, warmUpMs }: Settings, groups: Machine[][]): MemoryTopology | undefined {
  return groups.every((machines) => machines.length === 0) ? undefined : { groups, newerThanMs, ratioPercent, warmUpMs }
}

interface Wish {
  readonly before: readonly (readonly Machine[])[]
  readonly spec: MemoryGroupSpec
  readonly storageGroups: number
}

function groupsOf(at: MemoryAt, observed: Observed, { uid, pods }: ObservedMemory, { before, spec, storageGroups }: Wish): Machine[][] {
  const limit = observed.bootstrap?.memoryLimit?.uid === uid ? observed.bootstrap.memoryLimit : undefined
  const replicas = Math.min(spec.replicas, limit?.replicas ?? MAX_MEMORY_MACHINES)
  const wanted = Math.min(spec.groups ?? storageGroups, limit?.groups ?? Number.POSITIVE_INFINITY)
  const all = Array.from({ length: wanted }, (_, group) =>
    Array.from({ length: replicas }, (__, machine) => machine).flatMap((machine) => {
      const { data, http } = addressesOf(at, group, machine)
      const known = before[group]?.find((one) => one.data === data)
      const pod = pods.get(machinePodName(at.name, group, machine))
      const isReady = pod?.isReady === true && !pod.isDeleting
      if (known === undefined && !isReady) return []
      return [{ data, http, zone: observed.nodes.get(pod?.node ?? '')?.zone ?? known?.zone ?? '' }]
    }),
  )
  const inForce = before.some((machines) => machines.length > 0) ? before.length : 0
  const isGrown = inForce === 0 || all.slice(inForce).every((machines) => machines.length > 0)
  return isGrown ? all : all.slice(0, inForce)
}

export function addressesOf(at: MemoryAt, group: number, machine: number): { data: string; http: string } {
  const host = machineHostOf(at, group, machine)
  return { data: `${host}:${DEFAULT_DATA_PORT}`, http: `${host}:${DEFAULT_HTTP_PORT}` }
}

/** Machines of this MemoryGroup that a topology lists, by group; those of another that served before are not its own. */
export function listedBy(at: MemoryAt, memory: MemoryTopology | undefined): Machine[][] {
  return (memory?.groups ?? []).map((machines, group) => machines.filter(({ data }) => machineOf(at, group, data) !== undefined))
}

/** The number of the machine that has this address. */
export function machineOf(at: MemoryAt, group: number, data: string): number | undefined {
  for (let machine = 0; machine < MAX_MEMORY_MACHINES; machine++) if (addressesOf(at, group, machine).data === data) return machine
  return undefined
}
