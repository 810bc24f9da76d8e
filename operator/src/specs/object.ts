/** What all objects of a resource have in common. */
import { API_GROUP, API_VERSION, LABELS, MANAGED_BY, PAXOS_GROUP } from '../api/names.ts'
import type { Cluster } from './cluster.ts'

interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller: boolean
  readonly blockOwnerDeletion: boolean
}

export interface ObjectMeta {
  readonly name: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
}

/** An object as it is applied. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMeta
  readonly [field: string]: unknown
}

/** Labels that select the pods of the resource, or of one of its groups. They can never change: selectors are immutable. */
export function selectorLabels({ name }: Pick<Cluster, 'name'>, group?: number): Record<string, string> {
  return {
    [LABELS.name]: 'thermocline',
    [LABELS.component]: 'storage',
    [LABELS.instance]: name,
    ...(group === undefined ? {} : { [LABELS.group]: String(group) }),
  }
}

interface MetaOptions {
  readonly group?: number
  readonly annotations?: Readonly<Record<string, string>>
  /** Not deleted with the resource. */
  readonly isKept?: boolean
}

export function metaOf(cluster: Cluster, name: string, { group, annotations, isKept = false }: MetaOptions = {}): ObjectMeta {
  return {
    name,
    namespace: cluster.namespace,
    labels: { ...selectorLabels(cluster, group), ...MANAGED_BY },
    ...(annotations === undefined ? {} : { annotations }),
    ...(isKept ? {} : { ownerReferences: [ownerOf(cluster)] }),
  }
}

function ownerOf({ name, uid }: Cluster): OwnerReference {
  return {
    apiVersion: `${API_GROUP}/${API_VERSION}`,
    kind: PAXOS_GROUP.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  }
}
