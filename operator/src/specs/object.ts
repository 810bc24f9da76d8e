/** What all objects of a resource have in common. */
import { API_GROUP, API_VERSION, LABELS, MANAGED_BY, MEMORY, type MEMORY_GROUP, type PAXOS_GROUP, STORAGE } from '../api/names.ts'

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

/** The resource that an object is made for. */
export interface Owner {
  readonly kind: typeof PAXOS_GROUP.kind | typeof MEMORY_GROUP.kind
  readonly name: string
  readonly namespace: string
  readonly uid: string
}

const COMPONENTS: Readonly<Record<Owner['kind'], string>> = { PaxosGroup: STORAGE, MemoryGroup: MEMORY }

/** Labels that select the pods of the resource, or of one of its groups. They can never change: selectors are immutable. */
export function selectorLabels({ kind, name }: Pick<Owner, 'kind' | 'name'>, group?: number): Record<string, string> {
  return {
    [LABELS.name]: 'thermocline',
    [LABELS.component]: COMPONENTS[kind],
    [LABELS.instance]: name,
    ...(group === undefined ? {} : { [LABELS.group]: String(group) }),
  }
}

/** The same as one string. */
export function selectorOf(owner: Pick<Owner, 'kind' | 'name'>, group?: number): string {
  return Object.entries(selectorLabels(owner, group))
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
}

interface MetaOptions {
  readonly group?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** Not deleted with the resource. */
  readonly isKept?: boolean
}

export function metaOf(owner: Owner, name: string, { group, labels, annotations, isKept = false }: MetaOptions = {}): ObjectMeta {
  return {
    name,
    namespace: owner.namespace,
    labels: { ...selectorLabels(owner, group), ...labels, ...MANAGED_BY },
    ...(annotations === undefined ? {} : { annotations }),
    ...(isKept ? {} : { ownerReferences: [ownerOf(owner)] }),
  }
}

function ownerOf({ kind, name, uid }: Owner): OwnerReference {
  return {
    apiVersion: `${API_GROUP}/${API_VERSION}`,
    kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  }
}
