/** Whether every MemoryGroup has come to what it says, and the topology with it. */
import type { Topology } from '@thermocline/protocol'
import { type MemoryGroupSpec, type MemoryGroupStatus, memoryGroupSpecSchema } from '../../src/api/memory-group.ts'
import { LABELS, MEMORY, machineHostOf, memoryName } from '../../src/api/names.ts'
import { memoryGroupsOf, servingGroup } from '../../src/controllers/memory-groups.ts'
import { viewMemorySet } from '../../src/controllers/views.ts'
import { MEMORY_GROUPS, PAXOS_GROUPS } from '../../src/controllers/watches.ts'
import { settingsOf } from '../../src/plan/memory-topology.ts'
import type { KubeObject } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import type { OperatorRun } from './operator-run.ts'
import { isReady } from './pod-status.ts'

const NAMESPACE = 'default'

export function unsettledMemory(run: OperatorRun): string | undefined {
  const { store } = run.cluster
  for (const resource of store.all(MEMORY_GROUPS)) {
    const why = unsettledGroup(run, resource)
    if (why !== undefined) return `MemoryGroup ${resource.metadata.name}: ${why}`
  }
  const names = new Set(store.all(MEMORY_GROUPS).map(({ metadata }) => metadata.name))
  const left = store
    .everything()
    .map(({ object }) => object)
    .find(({ metadata: { labels = {} } }) => labels[LABELS.component] === MEMORY && !names.has(labels[LABELS.instance] ?? ''))
  if (left !== undefined && !isStuck(run, left)) return `${left.kind} ${left.metadata.name} is left of a MemoryGroup that is gone`
  for (const [name, wanted] of run.expected) {
    const why = wanted === 'running' ? unsettledTopology(run, name) : undefined
    if (why !== undefined) return `the topology of ${name} ${why}`
  }
  return undefined
}

/** A pod on a node that never returns is Kubernetes' to end. */
const isStuck = ({ tier }: OperatorRun, { kind, metadata, spec }: KubeObject): boolean =>
  kind === 'Pod' && metadata.deletionTimestamp !== undefined && !tier.isReachable((spec as { nodeName?: string }).nodeName ?? '')

function unsettledGroup(run: OperatorRun, resource: KubeObject): string | undefined {
  const { store } = run.cluster
  const { name, generation } = resource.metadata
  const status = (resource.status ?? {}) as MemoryGroupStatus
  if (status.observedGeneration !== generation) return 'its status is of an older generation'
  const spec = memoryGroupSpecSchema.parse(resource.spec)
  const accepted = status.conditions?.find(({ type }) => type === 'Accepted')?.reason
  const paxosGroup = { namespace: NAMESPACE, name: spec.paxosGroupRef.name }
  const isThere = store.get(PAXOS_GROUPS, paxosGroup) !== undefined
  const serving = servingIn(run, paxosGroup.name)
  const wanted = !isThere ? 'PaxosGroupNotFound' : serving?.metadata.name !== name ? 'AnotherServes' : 'Valid'
  if (accepted !== wanted) return `Accepted is ${accepted}; expected ${wanted}`
  if (wanted !== 'Valid') return undefined
  const phase = spec.replicas === 0 ? 'Off' : 'Running'
  if (status.phase !== phase) return `phase is ${status.phase}: ${JSON.stringify(status)}`
  if (status.scalingIn !== undefined) return 'it is being scaled in'
  return unsettledSets(run, name, spec)
}

function unsettledSets(run: OperatorRun, name: string, spec: MemoryGroupSpec): string | undefined {
  const { store } = run.cluster
  const groups = spec.groups ?? storageGroups(run, spec.paxosGroupRef.name)
  const sets = store
    .all(RESOURCES.statefulSets)
    .filter(({ metadata }) => metadata.labels?.[LABELS.instance] === name && metadata.labels[LABELS.component] === MEMORY)
  if (sets.length !== groups) return `has ${sets.length} StatefulSets; expected ${groups}`
  for (const set of sets) {
    const { replicas, partition } = viewMemorySet(set)
    if (replicas !== spec.replicas || partition !== 0) return `${set.metadata.name} has ${replicas} replicas from ${partition}`
  }
  for (let group = 0; group < groups; group++) {
    for (let machine = 0; machine < spec.replicas; machine++) {
      const pod = store.get(RESOURCES.pods, { namespace: NAMESPACE, name: `${memoryName(name, group)}-${machine}` })
      if (pod === undefined || !isReady(pod)) return `machine ${machine} of group ${group} is not ready`
      const { image } = (pod.spec as { containers: [{ image: string }] }).containers[0]
      if (spec.image !== undefined && image !== spec.image) return `machine ${machine} of group ${group} runs ${image}`
    }
  }
  return undefined
}

const storageGroups = ({ tier }: OperatorRun, name: string): number => newest(tier.nodes(), name)?.groups.length ?? 0

function newest(nodes: ReturnType<OperatorRun['tier']['nodes']>, name: string): Topology | undefined {
  const all = nodes.flatMap(({ start, topology }) =>
    start.pod.metadata.labels?.[LABELS.instance] === name && topology !== undefined ? [topology] : [],
  )
  return all.toSorted((a, b) => b.epoch - a.epoch)[0]
}

/** The operator's own choice is taken for right: which of several serves is no matter here, only that what it says is in force. */
function servingIn({ cluster }: OperatorRun, paxosGroup: string): KubeObject | undefined {
  const all = cluster.store.all(MEMORY_GROUPS)
  const informer = { all: () => all } as never
  const watches = { memoryGroups: [informer] }
  return memoryGroupsOf(watches, { namespace: NAMESPACE, name: paxosGroup }).length === 0
    ? undefined
    : servingGroup(watches, { namespace: NAMESPACE, name: paxosGroup })
}

function unsettledTopology(run: OperatorRun, paxosGroup: string): string | undefined {
  const topology = newest(run.tier.nodes(), paxosGroup)
  const serving = servingIn(run, paxosGroup)
  const spec = serving === undefined ? undefined : memoryGroupSpecSchema.parse(serving.spec)
  const addresses = (topology?.memory?.groups ?? []).map((machines) => machines.map(({ data }) => data))
  if (serving === undefined || spec === undefined || spec.replicas === 0)
    return topology?.memory === undefined ? undefined : `lists ${addresses.flat().join(', ')}; expected no memory tier`
  const at = { name: serving.metadata.name, namespace: NAMESPACE, clusterDomain: 'cluster.local' }
  const wanted = Array.from({ length: spec.groups ?? topology?.groups.length ?? 0 }, (_, group) =>
    Array.from({ length: spec.replicas }, (__, machine) => `${machineHostOf(at, group, machine)}:7400`),
  )
  if (JSON.stringify(addresses) !== JSON.stringify(wanted)) return `lists ${JSON.stringify(addresses)}; expected ${JSON.stringify(wanted)}`
  const { newerThanMs, ratioPercent, warmUpMs } = topology?.memory ?? {}
  const settings = { newerThanMs, ratioPercent, warmUpMs }
  return JSON.stringify(settings) === JSON.stringify(settingsOf(spec)) ? undefined : `says ${JSON.stringify(settings)}`
}
