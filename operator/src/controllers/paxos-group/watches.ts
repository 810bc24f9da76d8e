/** What the controller watches, and which resource's key each object concerns. Everything but nodes and volumes by our label. */
import { API_GROUP, API_VERSION, LABELS, MANAGED_BY, PAXOS_GROUP } from '../../api/names.ts'
import { Informer, type KubeObject, keyOf, RESOURCES, type Resource, type World } from '../../runtime/mod.ts'

export const PAXOS_GROUPS: Resource = {
  group: API_GROUP,
  version: API_VERSION,
  plural: PAXOS_GROUP.plural,
  kind: PAXOS_GROUP.kind,
  namespaced: true,
}

/** Claims and pods carry no label of their maker, but those of the resource. */
const OURS = `${LABELS.name}=thermocline,${LABELS.component}=storage,${LABELS.instance}`
const APPLIED = Object.entries(MANAGED_BY)
  .map(([name, value]) => `${name}=${value}`)
  .join(',')

export interface Watches {
  readonly paxosGroups: readonly Informer[]
  readonly statefulSets: readonly Informer[]
  readonly pods: readonly Informer[]
  readonly claims: readonly Informer[]
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
  const whole = (resource: Resource): Informer | undefined => (canSeeNodes ? new Informer(world, { resource, onRestart }) : undefined)
  return {
    paxosGroups: scopes.map((namespace) => new Informer(world, { resource: PAXOS_GROUPS, namespace, resyncMs: RESYNC_MS, onRestart })),
    statefulSets: each(RESOURCES.statefulSets, APPLIED),
    pods: each(RESOURCES.pods, OURS),
    claims: each(RESOURCES.persistentVolumeClaims, OURS),
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

/** All but nodes and volumes, which may be forbidden. */
export function haveSynced({ nodes: _nodes, volumes: _volumes, ...own }: Watches): boolean {
  return Object.values(own)
    .flat()
    .every((informer) => informer.hasSynced)
}

/** The key of the resource that an object of ours belongs to. */
export function resourceKeyOf({ metadata }: KubeObject): string | undefined {
  const name = metadata.labels?.[LABELS.instance]
  return name === undefined || metadata.namespace === undefined ? undefined : keyOf({ namespace: metadata.namespace, name })
}
