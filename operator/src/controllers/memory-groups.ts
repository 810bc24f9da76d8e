/** MemoryGroups by what they name: which of them serves a cluster, and what is known of it. */
import { LABELS } from '../api/names.ts'
import { acceptMemorySpec, type Candidate, servingOf } from '../plan/memory-acceptance.ts'
import type { Observed } from '../plan/observed.ts'
import type { PodTemplateGrants } from '../plan/pod-template-grants.ts'
import { type KubeObject, keyOf, type ObjectAt } from '../runtime/mod.ts'
import { viewPod } from './views.ts'
import { haveMemorySynced, type Watches } from './watches.ts'

export function referenceOf({ spec }: KubeObject): string | undefined {
  return (spec as { paxosGroupRef?: { name?: string } } | undefined)?.paxosGroupRef?.name
}

/** The key of the PaxosGroup that a MemoryGroup names. */
export function referenceKeyOf(resource: KubeObject): string | undefined {
  const name = referenceOf(resource)
  return name === undefined ? undefined : keyOf({ namespace: resource.metadata.namespace, name })
}

/** All that name a PaxosGroup. */
export function memoryGroupsOf({ memoryGroups }: Pick<Watches, 'memoryGroups'>, { namespace, name }: ObjectAt): KubeObject[] {
  return memoryGroups
    .flatMap((informer) => informer.all())
    .filter((one) => one.metadata.namespace === namespace && referenceOf(one) === name)
}

export function servingGroup(watches: Pick<Watches, 'memoryGroups'>, at: ObjectAt): KubeObject | undefined {
  return servingOf(memoryGroupsOf(watches, at).map((resource) => ({ ...candidateOf(resource), resource })))?.resource
}

function candidateOf({ metadata }: KubeObject): Candidate {
  return { name: metadata.name, createdAt: metadata.creationTimestamp ?? '', isDeleting: metadata.deletionTimestamp !== undefined }
}

/** For the topology of the PaxosGroup at `at`. */
export function servingMemory(watches: Watches, at: ObjectAt, grants: PodTemplateGrants): Observed['memory'] {
  if (!haveMemorySynced(watches)) return 'unknown'
  const resource = servingGroup(watches, at)
  if (resource === undefined) return 'none'
  const { name, uid = '' } = resource.metadata
  const accepted = acceptMemorySpec(resource, grants)
  // Those that were made for another cluster, before the resource was changed to name this one, are not of it.
  const pods = memoryPodsOf(watches, { namespace: at.namespace, name })
    .filter(({ metadata }) => metadata.labels?.[LABELS.paxosGroup] === at.name)
    .map((pod) => [pod.metadata.name, viewPod(pod)] as const)
  return { name, uid, spec: 'spec' in accepted && !accepted.spec.paused ? accepted.spec : undefined, pods: new Map(pods) }
}

/** The pods of a MemoryGroup. */
export function memoryPodsOf({ memoryPods }: Pick<Watches, 'memoryPods'>, { namespace, name }: ObjectAt): KubeObject[] {
  return memoryPods
    .flatMap((informer) => informer.all())
    .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.[LABELS.instance] === name)
}
