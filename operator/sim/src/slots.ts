/** Which slot an object belongs to, and the votes of the slot's group as they truly are. */
import { bootstrapName, LABELS, podName } from '../../src/api/names.ts'
import { PAXOS_GROUPS } from '../../src/controllers/watches.ts'
import type { KubeObject } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import { quorumOf } from '../../src/specs/cluster.ts'
import type { RunView } from './invariant.ts'
import type { Vote } from './storage-tier.ts'
import type { Change, Store } from './store.ts'

export interface Slot {
  readonly namespace: string
  readonly name: string
  readonly group: number
  readonly replica: number
}

/** Of a pod or a claim. */
export function slotOf({ metadata: { namespace = '', name, labels = {} } }: KubeObject): Slot {
  return {
    namespace,
    name: labels[LABELS.instance] ?? '',
    group: Number(labels[LABELS.group]),
    replica: Number(name.slice(name.lastIndexOf('-') + 1)),
  }
}

/** The first volumes of a resource's slots, as its ConfigMap has them. */
export function volumesOf(
  store: Store,
  { namespace, name }: Pick<Slot, 'namespace' | 'name'>,
): { number: number; nonce: string }[][] | undefined {
  const found = store.get(RESOURCES.configMaps, { namespace, name: bootstrapName(name) })
  const text = (found?.data as Record<string, string> | undefined)?.volumes
  return text === undefined ? undefined : (JSON.parse(text) as { number: number; nonce: string }[][])
}

/** Per replica of the slot's group; undefined before the group is there. */
export function votesOf({ cluster, tier }: RunView, { namespace, name, group }: Omit<Slot, 'replica'>): Vote[] | undefined {
  return volumesOf(cluster.store, { namespace, name })?.[group]?.map((_, replica) => tier.voteOf(namespace, podName(name, group, replica)))
}

/** Its resource or its namespace is gone, or about to go: its pods are meant to end. */
export function isEnding({ cluster }: RunView, { namespace, name }: Pick<Slot, 'namespace' | 'name'>): boolean {
  const resource = cluster.store.get(PAXOS_GROUPS, { namespace, name })
  const within = cluster.store.get(RESOURCES.namespaces, { name: namespace })
  return [resource, within].some((one) => one === undefined || one.metadata.deletionTimestamp !== undefined)
}

/** By the host and port of its node. */
export function podAt(store: Store, address: string): KubeObject | undefined {
  const ip = address.slice(0, address.lastIndexOf(':'))
  return [...store.unordered(RESOURCES.pods)].find(({ status }) => (status as { podIP?: string } | undefined)?.podIP === ip)
}

export const isMajority = (count: number, of: number): boolean => count >= quorumOf(of)

/** The pod that an operator has just begun to delete, if that is what the change is. */
export function podDeletedByOperator({ resource, before, after, by }: Change): KubeObject | undefined {
  return by === undefined ? undefined : beginsToGo(resource, 'pods', before, after)
}

export function claimDeletedByOperator({ resource, before, after, by }: Change): KubeObject | undefined {
  return by === undefined ? undefined : beginsToGo(resource, 'persistentvolumeclaims', before, after)
}

function beginsToGo(
  resource: string,
  wanted: string,
  before: KubeObject | undefined,
  after: KubeObject | undefined,
): KubeObject | undefined {
  if (resource !== wanted || before === undefined) return undefined
  const isNew = before.metadata.deletionTimestamp === undefined && after?.metadata.deletionTimestamp !== undefined
  return after === undefined || isNew ? before : undefined
}
