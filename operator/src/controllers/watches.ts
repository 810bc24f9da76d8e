/** What the controller watches, and which resource's key each object concerns. Everything but nodes and volumes by our label. */
import { API_GROUP, API_VERSION, LABELS, MANAGED_BY, MEMORY, MEMORY_GROUP, PAXOS_GROUP, STORAGE } from '../api/names.ts'
import { Informer, type KubeObject, keyOf, type ObjectAt, RESOURCES, type Resource, type World } from '../runtime/mod.ts'

const ours = ({ plural, kind }: { plural: string; kind: string }): Resource => ({
  group: API_GROUP,
  version: API_VERSION,
  plural,
  kind,
  namespaced: true,
})
export const PAXOS_GROUPS = ours(PAXOS_GROUP)
export const MEMORY_GROUPS = ours(MEMORY_GROUP)

/** Claims and pods carry no label of their maker, but those of the resource. */
const podsOf = (component: string): string => `${LABELS.name}=thermocline,${LABELS.component}=${component},${LABELS.instance}`
const APPLIED = Object.entries(MANAGED_BY)
  .map(([name, value]) => `${name}=${value}`)
  .join(',')

export interface Watches {
  readonly paxosGroups: readonly Informer[]
  readonly statefulSets: readonly Informer[]
  readonly pods: readonly Informer[]
  readonly claims: readonly Informer[]
  readonly memoryGroups: readonly Informer[]
  readonly memoryPods: readonly Informer[]
  /** Applied objects that are only compared: services, service accounts, budgets. */
  readonly services: readonly Informer[]
  readonly serviceAccounts: readonly Informer[]
  readonly budgets: readonly Informer[]
  /** Of the whole cluster; undefined if the operator may not see them. */
  readonly nodes: Informer | undefined
  readonly volumes: Informer | undefined
}

export interface WatchOptions {
  /** Empty: all. */
  readonly namespaces: readonly string[]
  readonly canSeeNodes: boolean
  readonly budgets: Resource
  readonly onRestart: (resource: string) => void
}

const RESYNC_MS = 10 * 60 * 1000

export function makeWatches(world: World, { namespaces, canSeeNodes, budgets, onRestart }: WatchOptions): Watches {
  const scopes = namespaces.length === 0 ? [undefined] : namespaces
  const each = (resource: Resource, labelSelector?: string): Informer[] =>
    scopes.map((namespace) => new Informer(world, { resource, namespace, labelSelector, onRestart }))
  const kinds = (resource: Resource): Informer[] =>
    scopes.map((namespace) => new Informer(world, { resource, namespace, resyncMs: RESYNC_MS, onRestart }))
  const whole = (resource: Resource): Informer | undefined => (canSeeNodes ? new Informer(world, { resource, onRestart }) : undefined)
  return {
    paxosGroups: kinds(PAXOS_GROUPS),
    statefulSets: each(RESOURCES.statefulSets, APPLIED),
    pods: each(RESOURCES.pods, podsOf(STORAGE)),
    claims: each(RESOURCES.persistentVolumeClaims, podsOf(STORAGE)),
    memoryGroups: kinds(MEMORY_GROUPS),
    memoryPods: each(RESOURCES.pods, podsOf(MEMORY)),
    services: each(RESOURCES.services, APPLIED),
    serviceAccounts: each(RESOURCES.serviceAccounts, APPLIED),
    budgets: each(budgets, APPLIED),
    nodes: whole(RESOURCES.nodes),
    volumes: whole(RESOURCES.persistentVolumes),
  }
}

export function allInformers(watches: Watches): Informer[] {
  return Object.values(watches).flatMap((one: Informer | readonly Informer[] | undefined) => (one === undefined ? [] : one))
}

const synced = (...informers: readonly (readonly Informer[])[]): boolean => informers.flat().every(({ hasSynced }) => hasSynced)

/** What PaxosGroups need: not nodes and volumes, which may be forbidden, nor MemoryGroups, whose definition may be missing. */
export function haveSynced({ paxosGroups, statefulSets, pods, claims, services, serviceAccounts, budgets }: Watches): boolean {
  return synced(paxosGroups, statefulSets, pods, claims, services, serviceAccounts, budgets)
}

export const haveMemorySynced = ({ memoryGroups, memoryPods }: Watches): boolean => synced(memoryGroups, memoryPods)

/** The key of the resource that an object of ours belongs to, if it is of that kind. */
export const resourceKeyOf =
  (component: typeof STORAGE | typeof MEMORY) =>
  ({ metadata: { namespace, labels = {} } }: KubeObject): string | undefined => {
    const name = labels[LABELS.instance]
    return name === undefined || namespace === undefined || labels[LABELS.component] !== component ? undefined : keyOf({ namespace, name })
  }

/** The key of the PaxosGroup that a memory pod caches. */
export function servedKeyOf({ metadata: { namespace, labels = {} } }: KubeObject): string | undefined {
  const name = labels[LABELS.paxosGroup]
  return name === undefined || namespace === undefined ? undefined : keyOf({ namespace, name })
}

export function cached(informers: readonly Informer[], at: ObjectAt): KubeObject | undefined {
  for (const informer of informers) {
    const found = informer.get(at)
    if (found !== undefined) return found
  }
  return undefined
}
