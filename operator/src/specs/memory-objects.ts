/**
 * What the operator applies for a MemoryGroup. The StatefulSet of a group has no volumes, and Kubernetes itself rolls out its changes,
 * from the last machine to the first, each once the one before is ready: nothing but a warm cache is at stake, and ready means warm.
 */
import { ANNOTATIONS, memoryAccountName, memoryName } from '../api/names.ts'
import { parseBytes } from '../api/quantity.ts'
import { hashOf } from './hash.ts'
import { memoryPodTemplate } from './memory-pod.ts'
import { type MemoryTier, paxosGroupLabel } from './memory-tier.ts'
import { saidOfResources } from './node-pod.ts'
import { type KubeObject, metaOf, type ObjectMeta, selectorLabels } from './object.ts'
import { withTemplateHash } from './overlay.ts'
import { NODE_PORTS } from './services.ts'

/**
 * Names what the resource says of pods, and the cluster that they cache: while it stays the same no pod is made anew. Replicas, groups,
 * traffic, split point and the duration of the warm-up are not in it.
 */
export function memoryTemplateHash({ spec, clusterId }: Pick<MemoryTier, 'spec' | 'clusterId'>): string {
  const { image, imagePullPolicy, podTemplate: overlay, resources, zones, cache, warmUp } = spec
  const cacheBytes = parseBytes(cache.size)
  return hashOf({
    image,
    imagePullPolicy,
    overlay,
    resources: saidOfResources(resources),
    zones,
    cacheBytes,
    clusterId,
    prefetch: warmUp.prefetch,
  })
}

/** Shared by all groups. Has no rights: a node asks Kubernetes nothing. */
export function memoryAccount(tier: MemoryTier): KubeObject {
  const metadata = metaOf(tier, memoryAccountName(tier.name), { labels: paxosGroupLabel(tier) })
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata, automountServiceAccountToken: false }
}

const groupMeta = (tier: MemoryTier, group: number, annotations?: Record<string, string>): ObjectMeta =>
  metaOf(tier, memoryName(tier.name, group), {
    group,
    labels: paxosGroupLabel(tier),
    ...(annotations === undefined ? {} : { annotations }),
  })

/** Gives each machine a name of its own, which outlives its pods; one that is warmed is reached by its peers. */
export function memoryService(tier: MemoryTier, group: number): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: groupMeta(tier, group),
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, ports: NODE_PORTS, selector: selectorLabels(tier, group) },
  }
}

/** One at a time: the others of its group take over what it cached, and the storage tier what they have not. */
export function memoryBudget(tier: MemoryTier, group: number): KubeObject {
  return {
    apiVersion: tier.policyVersion,
    kind: 'PodDisruptionBudget',
    metadata: groupMeta(tier, group),
    spec: { maxUnavailable: 1, selector: { matchLabels: selectorLabels(tier, group) } },
  }
}

/** What a StatefulSet is found by, and what it ends with. */
export type MemoryMarks = Required<Pick<ObjectMeta, 'labels' | 'ownerReferences'>>

export function memoryMarks(tier: MemoryTier, group: number): MemoryMarks {
  const { labels = {}, ownerReferences = [] } = groupMeta(tier, group)
  return { labels, ownerReferences }
}

/** `replicas` are those in force: a group that is scaled in keeps its machines until no client is sent to them. */
export function memoryStatefulSet(tier: MemoryTier, group: number, replicas: number): KubeObject {
  const hash = memoryTemplateHash(tier)
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: groupMeta(tier, group, { [ANNOTATIONS.templateHash]: hash }),
    spec: {
      serviceName: memoryName(tier.name, group),
      replicas,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      selector: { matchLabels: selectorLabels(tier, group) },
      template: withTemplateHash(memoryPodTemplate(tier, group), hash),
    },
  }
}
