/** One read pass over a MemoryGroup: informers' caches, the cluster's ConfigMap as it is now, and the nodes' own words. Changes nothing. */
import type { MemoryGroupSpec, MemoryGroupStatus } from '../../api/memory-group.ts'
import { LABELS, memoryGroupOfName } from '../../api/names.ts'
import type {
  MemoryFacts,
  ObservedMachine,
  ObservedMemoryGroup,
  ObservedMemoryPart,
  ObservedMemorySet,
  ObservedStorage,
} from '../../plan/memory-observed.ts'
import { wantedGroups } from '../../plan/memory-plan.ts'
import type { ObservedPod } from '../../plan/observed.ts'
import type { Informer, KubeObject, ObjectAt } from '../../runtime/mod.ts'
import type { ReconcileContext } from '../context.ts'
import { memoryPodsOf } from '../memory-groups.ts'
import { askAll, httpAddress, newestTopology, nodesOf, readBootstrap, slotOf } from '../paxos-group/observe.ts'
import { viewMemorySet, viewPod } from '../views.ts'

/** Nodes asked at once. */
const MAX_ASKED = 64

export interface MemorySubject {
  readonly namespace: string
  readonly name: string
  readonly spec: MemoryGroupSpec
  readonly status: MemoryGroupStatus
  readonly generation: number
}

export async function observeMemoryGroup(context: ReconcileContext, subject: MemorySubject): Promise<ObservedMemoryGroup> {
  const { clock, watches } = context
  const { namespace, name, spec, status, generation } = subject
  const storage = await observeStorage(context, { namespace, name: spec.paxosGroupRef.name })
  const made = partsOf(context, { namespace, name })
  const parts = withSlots(made, { groups: wantedGroups({ spec }, { storage, parts: made }), replicas: spec.replicas })
  const machines = parts.flatMap((part) => part.machines)
  const facts = await askMachines(context, machines, storage?.clusterId)
  return {
    nowMs: clock.wallMs(),
    status,
    generation,
    storage,
    parts: parts.map((part) => ({ ...part, machines: part.machines.map((one) => ({ ...one, facts: facts.get(one) })) })),
    nodes: nodesOf(watches, spec.zones.topologyKey),
  }
}

/** Undefined before its first volumes are named: there is nothing to cache yet. */
async function observeStorage(context: ReconcileContext, at: ObjectAt): Promise<ObservedStorage | undefined> {
  const { kube, watches, admin } = context
  const { namespace = '', name } = at
  const bootstrap = await readBootstrap(kube, at)
  if (bootstrap?.initial === undefined) return undefined
  const { clusterId, initial, epoch, memoryLimit, resourceVersion } = bootstrap
  const slots = initial.volumes.flatMap((row, group) => row.map((_, replica) => slotOf(watches, { namespace, name }, group, replica)))
  const facts = await askAll(admin, slots, clusterId)
  const topology = await newestTopology(context, `${namespace}/${name}`, facts)
  return {
    clusterId,
    groups: initial.volumes.length,
    topology: topology?.clusterId === clusterId ? topology : undefined,
    epochs: slots.map((slot) => facts.get(slot)?.epoch),
    namedEpoch: epoch,
    limit: memoryLimit,
    resourceVersion,
  }
}

/** Groups of which anything is there, up to the last. */
function partsOf({ watches }: ReconcileContext, at: ObjectAt): ObservedMemoryPart[] {
  const ours = (informers: readonly Informer[]): [number, KubeObject][] =>
    informers
      .flatMap((informer) => informer.all())
      .filter(({ metadata }) => metadata.namespace === at.namespace)
      .flatMap((object) => {
        const group = memoryGroupOfName(at.name, object.metadata.name)
        return group === undefined ? [] : [[group, object] as const satisfies [number, KubeObject]]
      })
  const sets = new Map<number, ObservedMemorySet>(ours(watches.statefulSets).map(([group, set]) => [group, viewMemorySet(set)]))
  const objects = new Set([...ours(watches.services), ...ours(watches.budgets)].map(([group]) => group))
  const pods = Map.groupBy(memoryPodsOf(watches, at), ({ metadata }) => Number(metadata.labels?.[LABELS.group]))
  const last = Math.max(-1, ...sets.keys(), ...objects, ...pods.keys())
  return Array.from({ length: last + 1 }, (_, group) => ({
    set: sets.get(group),
    hasObjects: objects.has(group),
    machines: (pods.get(group) ?? []).map((pod) => ({ group, machine: ordinalOf(pod), pod: viewPod(pod), facts: undefined })),
  }))
}

const ordinalOf = ({ metadata: { name } }: KubeObject): number => Number(name.slice(name.lastIndexOf('-') + 1))

/** A place for each machine that is wanted or there. */
function withSlots(
  made: readonly ObservedMemoryPart[],
  wanted: { readonly groups: number; readonly replicas: number },
): ObservedMemoryPart[] {
  return Array.from({ length: Math.max(made.length, wanted.groups) }, (_, group) => {
    const { set, hasObjects = false, machines = [] } = made[group] ?? {}
    const pods = new Map(machines.map(({ machine, pod }) => [machine, pod]))
    const asked = Math.max(group < wanted.groups ? wanted.replicas : 0, set?.replicas ?? 0)
    const slots = Math.max(asked, ...machines.map(({ machine }) => machine + 1))
    const all = Array.from({ length: slots }, (__, machine) => ({ group, machine, pod: pods.get(machine), facts: undefined }))
    return { set, hasObjects, machines: all.filter(({ machine, pod }) => pod !== undefined || machine < asked) }
  })
}

/** Asks the pods that have an address. What another node says from that address is not this one's word. */
async function askMachines(
  { admin }: ReconcileContext,
  machines: readonly ObservedMachine[],
  clusterId: string | undefined,
): Promise<Map<ObservedMachine, MemoryFacts>> {
  const found = new Map<ObservedMachine, MemoryFacts>()
  const waiting = machines.filter(({ pod }) => pod?.ip !== undefined && pod.phase === 'Running')
  const work = async (): Promise<void> => {
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      const facts = await admin.memoryFacts(httpAddress(one.pod as ObservedPod))
      if (facts !== undefined && facts.group === one.group && facts.machine === one.machine && facts.clusterId === clusterId)
        found.set(one, facts)
    }
  }
  await Promise.all(Array.from({ length: Math.min(MAX_ASKED, waiting.length) }, work))
  return found
}
