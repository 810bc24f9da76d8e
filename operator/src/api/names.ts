/** Names of the API and of what the operator makes of a resource. Other charts, dashboards and people rely on them. */

export const API_GROUP = 'thermocline.dev'
export const API_VERSION = 'v1alpha1'
export const PAXOS_GROUP = { kind: 'PaxosGroup', plural: 'paxosgroups', singular: 'paxosgroup', shortName: 'pxg' } as const
export const MEMORY_GROUP = { kind: 'MemoryGroup', plural: 'memorygroups', singular: 'memorygroup', shortName: 'mmg' } as const

/** The one field manager of everything that the operator applies. */
export const FIELD_MANAGER = 'thermocline-operator'

/** Labels of every object of a resource; watches are scoped by the first. */
export const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'thermocline-operator' } as const
export const LABELS = {
  name: 'app.kubernetes.io/name',
  component: 'app.kubernetes.io/component',
  /** The resource's name. */
  instance: 'app.kubernetes.io/instance',
  /** On what a MemoryGroup makes: the PaxosGroup that it serves. */
  paxosGroup: 'thermocline.dev/paxosgroup',
  /** The number of the storage or memory group. */
  group: 'thermocline.dev/group',
  /** The replica's number, on pods and claims. */
  replica: 'thermocline.dev/replica',
} as const

export const ANNOTATIONS = {
  /** On claims: the cluster whose data the volume holds. Claims outlive the resource. */
  clusterId: 'thermocline.dev/cluster-id',
  /** On claims: whose data was found on the volume, which is not its replica's. Taken off by people, once they have taken that away. */
  foreignVolume: 'thermocline.dev/foreign-volume',
  /** On StatefulSets and pods: hash of what the resource says of pods, or said when the pod was made. */
  templateHash: 'thermocline.dev/template-hash',
  /** On StatefulSets: hash of what the resource said when it was last applied. */
  specHash: 'thermocline.dev/spec-hash',
} as const

export const FINALIZER = 'thermocline.dev/volumes'

/** `component` of what a resource of each kind makes. */
export const STORAGE = 'storage'
export const MEMORY = 'memory'

/** What a Kubernetes label value and the name of a StatefulSet's pod leave for the resource's name. */
export const MAX_NAME_LENGTH = 40

/** The StatefulSet and headless Service of one storage group. */
export const groupName = (name: string, group: number): string => `${name}-g${group}`
export const podName = (name: string, group: number, replica: number): string => `${groupName(name, group)}-${replica}`
export const VOLUME_NAME = 'data'
export const claimName = (name: string, group: number, replica: number): string => `${VOLUME_NAME}-${podName(name, group, replica)}`
/** The ConfigMap that names the cluster and the volumes that were its first. */
export const bootstrapName = (name: string): string => `${name}-bootstrap`
/** The Secret with the token that admin writes need. */
export const adminSecretName = (name: string): string => `${name}-admin`
/** The Service that clients connect to first. */
export const clientServiceName = (name: string): string => `${name}-storage`

/** Where a replica is reached by others, through the headless Service: never by IP, and its name is an address, not an identity. */
export const hostOf = (at: { name: string; namespace: string; clusterDomain: string }, group: number, replica: number): string =>
  `${podName(at.name, group, replica)}.${groupName(at.name, group)}.${at.namespace}.svc.${at.clusterDomain}`

/** The StatefulSet and headless Service of one memory group. */
export const memoryName = (name: string, group: number): string => `${name}-m${group}`
/** The group whose StatefulSet, Service or budget has this name: by it they are known, whatever somebody made of their labels. */
export function memoryGroupOfName(name: string, object: string): number | undefined {
  const found = object.startsWith(`${name}-m`) ? /^(?:0|[1-9]\d{0,3})$/.exec(object.slice(name.length + 2)) : null
  return found === null ? undefined : Number(found[0])
}
export const machinePodName = (name: string, group: number, machine: number): string => `${memoryName(name, group)}-${machine}`
/** The ServiceAccount of memory nodes. */
export const memoryAccountName = (name: string): string => `${name}-memory`
/** Where a memory machine is reached, through the headless Service. */
export const machineHostOf = (at: { name: string; namespace: string; clusterDomain: string }, group: number, machine: number): string =>
  `${machinePodName(at.name, group, machine)}.${memoryName(at.name, group)}.${at.namespace}.svc.${at.clusterDomain}`
/** Where clients of a PaxosGroup begin. */
export const clientHostOf = (at: { name: string; namespace: string; clusterDomain: string }): string =>
  `${clientServiceName(at.name)}.${at.namespace}.svc.${at.clusterDomain}`
