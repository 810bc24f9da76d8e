/** Ends what nobody owns any more: dependents of objects that went, the content of namespaces, claims that wait for their pods. */
import type { KubeObject, Resource } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import type { Store } from './store.ts'

export const CLAIM_PROTECTION = 'kubernetes.io/pvc-protection'

export function collectGarbage(store: Store): void {
  const objects = store.everything()
  const uids = new Set(objects.map(({ object }) => object.metadata.uid))
  const ending = new Set(
    store.all(RESOURCES.namespaces).flatMap(({ metadata }) => (metadata.deletionTimestamp === undefined ? [] : [metadata.name])),
  )
  for (const { resource, object } of objects) {
    const { deletionTimestamp, namespace = '', ownerReferences = [] } = object.metadata
    if (deletionTimestamp !== undefined) continue
    const isOrphan = ownerReferences.length > 0 && ownerReferences.every(({ uid }) => !uids.has(uid))
    if (isOrphan || ending.has(namespace)) store.delete(resourceOf(resource, object), object.metadata)
  }
  releaseClaims(store)
  const inUse = new Set(store.everything().map(({ object }) => object.metadata.namespace))
  for (const name of ending) if (!inUse.has(name)) store.remove(RESOURCES.namespaces, { name })
}

/** A claim stays as long as a pod uses it. */
function releaseClaims(store: Store): void {
  const used = new Set(store.all(RESOURCES.pods).flatMap((pod) => claimNames(pod).map((name) => `${pod.metadata.namespace}/${name}`)))
  for (const { metadata } of store.all(RESOURCES.persistentVolumeClaims)) {
    const { deletionTimestamp, finalizers = [], namespace, name } = metadata
    if (deletionTimestamp === undefined || used.has(`${namespace}/${name}`)) continue
    const left = finalizers.filter((finalizer) => finalizer !== CLAIM_PROTECTION)
    store.amend(RESOURCES.persistentVolumeClaims, metadata, { metadata: { finalizers: left } })
  }
}

interface Volume {
  readonly persistentVolumeClaim?: { readonly claimName: string }
}

export const claimNames = ({ spec }: KubeObject): string[] =>
  ((spec as { volumes?: Volume[] } | undefined)?.volumes ?? []).flatMap(({ persistentVolumeClaim }) =>
    persistentVolumeClaim === undefined ? [] : [persistentVolumeClaim.claimName],
  )

/** From `pods` or `statefulsets.apps` and an object of it. */
function resourceOf(name: string, { apiVersion, kind, metadata }: KubeObject): Resource {
  const [plural = '', ...group] = name.split('.')
  const version = apiVersion.split('/').at(-1) as string
  return { group: group.join('.'), version, plural, kind, namespaced: metadata.namespace !== undefined }
}
