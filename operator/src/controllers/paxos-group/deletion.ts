/**
 * The end of a resource. Kubernetes collects what it owns; claims stay, unless the resource says `Delete`: then a finalizer holds
 * it until the StatefulSets and pods are gone, and the claims that hold this cluster's data are deleted. In a namespace that is
 * being deleted all of that goes by itself.
 */
import { bootstrapName, LABELS } from '../../api/names.ts'
import { isConflict, isNotFound, type KubeObject, type Outcome, RESOURCES } from '../../runtime/mod.ts'
import type { ReconcileContext } from '../context.ts'
import { viewClaim } from '../views.ts'
import { hasFinalizer, setFinalizer } from './finalizer.ts'
import { CLUSTER_ID_KEY } from './observe.ts'

const POLL_MS = 1000

export async function remove(context: ReconcileContext, resource: KubeObject): Promise<Outcome> {
  const { kube, watches } = context
  const { namespace = '', name } = resource.metadata
  if (!hasFinalizer(resource)) return { result: 'done', changed: false }
  const isOurs = ({ metadata }: KubeObject): boolean => metadata.namespace === namespace && metadata.labels?.[LABELS.instance] === name
  const ours = (informers: typeof watches.pods): KubeObject[] => informers.flatMap((informer) => informer.all()).filter(isOurs)
  const sets = ours(watches.statefulSets)
  for (const { metadata } of sets) {
    if (metadata.deletionTimestamp === undefined) await kube.delete(RESOURCES.statefulSets, { namespace, name: metadata.name })
  }
  if (sets.length === 0) await removeOrphans(context, { namespace, name })
  if (sets.length > 0 || ours(watches.pods).length > 0) return { result: 'again', afterMs: POLL_MS, changed: true }
  await deleteClaims(context, { namespace, name }, ours(watches.claims))
  try {
    await setFinalizer(kube, resource, false)
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
  return { result: 'done', changed: true }
}

/**
 * Pods whose StatefulSet was to be made anew around them when the resource went: nobody owns them, so nobody else would end
 * them. To be called only once the server has said that the resource is gone or ends.
 */
export async function removeOrphans(
  { kube, watches }: ReconcileContext,
  { namespace, name }: { namespace: string; name: string },
): Promise<boolean> {
  const orphans = watches.pods
    .flatMap((informer) => informer.all())
    .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.[LABELS.instance] === name)
    .filter(({ metadata }) => (metadata.ownerReferences ?? []).length === 0 && metadata.deletionTimestamp === undefined)
  for (const { metadata } of orphans) {
    const { uid, resourceVersion } = metadata
    if (uid === undefined || resourceVersion === undefined) continue
    try {
      // Adopted meanwhile, it is another's to end.
      await kube.delete(RESOURCES.pods, { namespace, name: metadata.name }, { uid, resourceVersion })
    } catch (error) {
      if (!isConflict(error)) throw error
    }
  }
  return orphans.length > 0
}

async function deleteClaims(
  { kube, log }: ReconcileContext,
  { namespace, name }: { namespace: string; name: string },
  claims: readonly KubeObject[],
): Promise<void> {
  const at = { namespace, name: bootstrapName(name) }
  const bootstrap = await kube.get(RESOURCES.configMaps, at)
  const clusterId = (bootstrap?.data as Record<string, string> | undefined)?.[CLUSTER_ID_KEY]
  for (const claim of claims) {
    const view = viewClaim(claim, undefined, false, new Map())
    if (clusterId === undefined || view.clusterId !== clusterId || view.holdsForeign) {
      const why = view.holdsForeign ? 'others’ data was found on its volume' : 'nothing says that it holds this cluster’s data'
      log.warn({ namespace, claim: view.name }, `a claim is kept: ${why}`)
      continue
    }
    if (!view.isDeleting) await kube.delete(RESOURCES.persistentVolumeClaims, { namespace, name: view.name }, { uid: view.uid })
  }
  await kube.delete(RESOURCES.configMaps, at)
}
