/** Our finalizer: there only while deleting the resource means deleting volumes. */
import { FINALIZER } from '../../api/names.ts'
import type { Kube, KubeObject } from '../../runtime/mod.ts'
import { PAXOS_GROUPS } from '../watches.ts'

export const hasFinalizer = ({ metadata }: KubeObject): boolean => metadata.finalizers?.includes(FINALIZER) === true

export async function setFinalizer(kube: Kube, { metadata }: KubeObject, wanted: boolean): Promise<void> {
  const others = (metadata.finalizers ?? []).filter((one) => one !== FINALIZER)
  const finalizers = wanted ? [...others, FINALIZER] : others
  const { namespace, name, resourceVersion } = metadata
  await kube.patch(PAXOS_GROUPS, { namespace, name }, { metadata: { resourceVersion, finalizers } })
}
