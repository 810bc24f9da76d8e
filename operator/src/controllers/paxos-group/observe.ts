/** One read pass: informers' caches, the ConfigMap as it is now, and the nodes' own words. Changes nothing. */
import type { Topology } from '@thermocline/protocol'
import { DEFAULT_HTTP_PORT } from '@thermocline/protocol'
import { z } from 'zod'
import { bootstrapName, claimName, groupName, LABELS, podName } from '../../api/names.ts'
import type { PaxosGroupSpec, PaxosGroupStatus } from '../../api/paxos-group.ts'
import type { NodeAdmin } from '../../cluster-admin/node-admin.ts'
import type { Bootstrap, NodeFacts, Observed, ObservedNode, ObservedPod, ObservedReplica } from '../../plan/observed.ts'
import type { PodTemplateGrants } from '../../plan/pod-template-grants.ts'
import { type Clock, type Kube, type ObjectAt, RESOURCES } from '../../runtime/mod.ts'
import { servingMemory } from '../memory-groups.ts'
import { hostOfNode, viewClaim, viewNode, viewPod, viewStatefulSet } from '../views.ts'
import { cached, type Watches } from '../watches.ts'

/** Nodes asked at once. */
const MAX_ASKED = 64

export interface ObserveContext {
  readonly podTemplateGrants: PodTemplateGrants
  readonly kube: Kube
  readonly clock: Clock
  readonly watches: Watches
  readonly admin: NodeAdmin
  /** The newest topology seen of each resource, by its key: fetched anew only when a node names another epoch. */
  readonly topologies: Map<string, Topology>
}

export interface Subject {
  readonly namespace: string
  readonly name: string
  readonly spec: PaxosGroupSpec
  readonly status: PaxosGroupStatus
  readonly generation: number
}

export async function observe(context: ObserveContext, subject: Subject): Promise<Observed> {
  const { kube, clock, watches } = context
  const { namespace, name, spec, status, generation } = subject
  const bootstrap = await readBootstrap(kube, subject)
  const groupCount = bootstrap?.initial?.volumes.length ?? spec.groups
  const replicaCount = bootstrap?.initial?.volumes[0]?.length ?? spec.replicas
  const nodes = nodesOf(watches, spec.zones.topologyKey)
  const slots = Array.from({ length: groupCount }, (_, group) =>
    Array.from({ length: replicaCount }, (_, replica) => slotOf(watches, { namespace, name }, group, replica)),
  )
  const facts = await askAll(context.admin, slots.flat(), status.clusterId ?? bootstrap?.clusterId)
  return {
    nowMs: clock.wallMs(),
    status,
    generation,
    bootstrap,
    groups: slots.map((replicas) => replicas.map((slot) => ({ ...slot, ...wordsOf(facts.get(slot)) }))),
    statefulSets: slots.map((_, group) => {
      const found = cached(watches.statefulSets, { namespace, name: groupName(name, group) })
      return found === undefined ? undefined : viewStatefulSet(found)
    }),
    nodes,
    canSeeNodes: watches.nodes?.hasSynced === true && watches.volumes?.hasSynced === true,
    topology: await newestTopology(context, `${namespace}/${name}`, facts),
    memory: servingMemory(watches, { namespace, name }, context.podTemplateGrants),
  }
}

export type Slot = Omit<ObservedReplica, 'facts' | 'foreign'>

export function slotOf(watches: Watches, { namespace, name }: { namespace: string; name: string }, group: number, replica: number): Slot {
  const pod = cached(watches.pods, { namespace, name: podName(name, group, replica) })
  const claim = cached(watches.claims, { namespace, name: claimName(name, group, replica) })
  const volumeName = (claim?.spec as { volumeName?: string } | undefined)?.volumeName
  const volume = volumeName === undefined ? undefined : watches.volumes?.get({ name: volumeName })
  const hosts = new Map((watches.nodes?.all() ?? []).map((node) => [hostOfNode(node), node.metadata.name]))
  return {
    group,
    replica,
    pod: pod === undefined ? undefined : viewPod(pod),
    claim: claim === undefined ? undefined : viewClaim(claim, volume, watches.volumes?.hasSynced === true, hosts),
  }
}

export function nodesOf({ nodes }: Watches, zoneKey: string): Map<string, ObservedNode> {
  return new Map((nodes?.all() ?? []).map((node) => [node.metadata.name, viewNode(node, zoneKey)]))
}

/** Asks the pods that have an address. What another replica says from that address is not this one's word. */
export async function askAll(admin: NodeAdmin, slots: readonly Slot[], clusterId: string | undefined): Promise<Map<Slot, NodeFacts>> {
  const found = new Map<Slot, NodeFacts>()
  const waiting = slots.filter(({ pod }) => pod?.ip !== undefined && pod.phase === 'Running')
  const work = async (): Promise<void> => {
    for (let slot = waiting.pop(); slot !== undefined; slot = waiting.pop()) {
      const facts = await admin.facts(httpAddress(slot.pod as ObservedPod))
      const isItself =
        facts?.group === slot.group && facts.replica === slot.replica && (clusterId === undefined || facts.clusterId === clusterId)
      if (facts !== undefined && isItself) found.set(slot, facts)
    }
  }
  await Promise.all(Array.from({ length: Math.min(MAX_ASKED, waiting.length) }, work))
  return found
}

/** A node whose volume is another's says nothing of its replica. */
export function wordsOf(facts: NodeFacts | undefined): Pick<ObservedReplica, 'facts' | 'foreign'> {
  return facts?.state === 'foreign' ? { facts: undefined, foreign: { owner: facts.owner } } : { facts }
}

export function httpAddress({ ip = '' }: Pick<ObservedPod, 'ip'>): string {
  return `${ip.includes(':') ? `[${ip}]` : ip}:${DEFAULT_HTTP_PORT}`
}

export async function newestTopology(
  context: Pick<ObserveContext, 'admin' | 'topologies'>,
  key: string,
  facts: ReadonlyMap<Slot, NodeFacts>,
): Promise<Topology | undefined> {
  const known = context.topologies.get(key)
  const [newest] = [...facts].toSorted(([, a], [, b]) => b.epoch - a.epoch)
  if (newest === undefined || newest[1].epoch <= (known?.epoch ?? 0)) return known
  const [slot, { clusterId }] = newest
  const topology = await context.admin.topology(httpAddress(slot.pod as ObservedPod))
  // The node may have taken a newer one meanwhile: the next pass sees that.
  if (topology === undefined || topology.clusterId !== clusterId) return known
  context.topologies.set(key, topology)
  return topology
}

const volumesSchema = z.array(z.array(z.object({ number: z.number().int(), nonce: z.string() })))
/** Keys of the ConfigMap. */
export const CLUSTER_ID_KEY = 'clusterId'
export const VOLUMES_KEY = 'volumes'
export const SLICE_KEY = 'sliceDurationMs'
export const EPOCH_KEY = 'epoch'
export const MEMORY_LIMIT_KEY = 'memoryLimit'
const memoryLimitSchema = z.object({ uid: z.string(), groups: z.number().int(), replicas: z.number().int() })

/** @throws Error if what stands there can't be understood: nothing may be filled anew over it. */
export async function readBootstrap(kube: Kube, { namespace, name }: ObjectAt): Promise<Bootstrap | undefined> {
  const found = await kube.get(RESOURCES.configMaps, { namespace, name: bootstrapName(name) })
  if (found === undefined) return undefined
  const data = (found.data ?? {}) as Record<string, string>
  const bad = (key: string, wanted: string): Error =>
    new Error(`ConfigMap ${namespace}/${bootstrapName(name)}: ${key}: ${data[key]}; expected ${wanted}; restore it from a backup`)
  const clusterId = data[CLUSTER_ID_KEY]
  if (clusterId === undefined || !/^[0-9a-f]{32}$/.test(clusterId)) throw bad(CLUSTER_ID_KEY, '32 hexadecimal digits')
  const epoch = Number(data[EPOCH_KEY] ?? '0')
  if (!Number.isSafeInteger(epoch) || epoch < 0) throw bad(EPOCH_KEY, 'a whole number')
  const resourceVersion = found.metadata.resourceVersion ?? ''
  const text = data[VOLUMES_KEY]
  const limit = data[MEMORY_LIMIT_KEY]
  const memoryLimit = limit === undefined ? undefined : memoryLimitSchema.parse(JSON.parse(limit))
  if (text === undefined) return { resourceVersion, clusterId, initial: undefined, epoch, memoryLimit }
  const sliceDurationMs = Number(data[SLICE_KEY])
  if (!Number.isSafeInteger(sliceDurationMs) || sliceDurationMs <= 0) throw bad(SLICE_KEY, 'a whole number above 0')
  return { resourceVersion, clusterId, initial: { volumes: volumesSchema.parse(JSON.parse(text)), sliceDurationMs }, epoch, memoryLimit }
}

/** The cluster whose data the claims of this name hold, if there are any. */
export function clusterIdOfClaims(watches: Watches, { namespace, name }: ObjectAt): string | undefined {
  const ids = watches.claims
    .flatMap((informer) => informer.all())
    .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.[LABELS.instance] === name)
    .flatMap((claim) => viewClaim(claim, undefined, false, new Map()).clusterId ?? [])
  return ids[0]
}
