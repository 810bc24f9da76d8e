/** Kinds of Kubernetes that an operator commonly touches, and the URLs of their objects. */
import type { ObjectAt, Resource, ServerFacts } from './ports.ts'

const resource = (groupVersion: string, kind: string, plural: string, namespaced = true): Resource => {
  const [version = '', group = ''] = groupVersion.split('/').reverse()
  return { group, version, kind, plural, namespaced }
}

export const RESOURCES = {
  namespaces: resource('v1', 'Namespace', 'namespaces', false),
  nodes: resource('v1', 'Node', 'nodes', false),
  pods: resource('v1', 'Pod', 'pods'),
  services: resource('v1', 'Service', 'services'),
  serviceAccounts: resource('v1', 'ServiceAccount', 'serviceaccounts'),
  configMaps: resource('v1', 'ConfigMap', 'configmaps'),
  secrets: resource('v1', 'Secret', 'secrets'),
  events: resource('v1', 'Event', 'events'),
  persistentVolumeClaims: resource('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims'),
  persistentVolumes: resource('v1', 'PersistentVolume', 'persistentvolumes', false),
  storageClasses: resource('storage.k8s.io/v1', 'StorageClass', 'storageclasses', false),
  statefulSets: resource('apps/v1', 'StatefulSet', 'statefulsets'),
  leases: resource('coordination.k8s.io/v1', 'Lease', 'leases'),
  networkPolicies: resource('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies'),
  podDisruptionBudgets: resource('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  customResourceDefinitions: resource('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', false),
} as const satisfies Record<string, Resource>

export const groupVersionOf = ({ group, version }: Resource): string => (group === '' ? version : `${group}/${version}`)

/** As it stands in errors and metrics: `pods`, `statefulsets.apps`. */
export const resourceName = ({ group, plural }: Resource): string => (group === '' ? plural : `${plural}.${group}`)

/** The path of all objects of a kind, in a namespace or in all. */
export function collectionPath(resource: Resource, namespace?: string): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${groupVersionOf(resource)}`
  const within = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${root}${within}/${resource.plural}`
}

export const objectPath = (resource: Resource, { namespace, name }: ObjectAt): string =>
  `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}`

/** The key that queues and caches know an object by. */
export const keyOf = ({ namespace, name }: ObjectAt): string => (namespace === undefined ? name : `${namespace}/${name}`)

export function atOfKey(key: string): ObjectAt {
  const slash = key.indexOf('/')
  return slash === -1 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

/** Of the version that this server serves. */
export const podDisruptionBudgetsOf = ({ policyVersion }: ServerFacts): Resource => ({
  ...RESOURCES.podDisruptionBudgets,
  version: policyVersion,
})
