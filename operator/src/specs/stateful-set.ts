/**
 * The StatefulSet of a storage group. All pods start at once, since a group needs a majority to get anywhere, and none is
 * replaced by Kubernetes: the operator deletes pods, one of a group at a time, when their template has changed.
 */
import { ANNOTATIONS, groupName, VOLUME_NAME } from '../api/names.ts'
import type { PaxosGroupSpec } from '../api/paxos-group.ts'
import { parseBytes } from '../api/quantity.ts'
import type { Cluster } from './cluster.ts'
import { hashOf } from './hash.ts'
import { saidOfResources } from './node-pod.ts'
import { type KubeObject, metaOf, selectorLabels } from './object.ts'
import { withTemplateHash } from './overlay.ts'
import { podTemplate } from './pod.ts'

/**
 * Names what the resource says of pods and volumes. While it stays the same the StatefulSet is left alone: a newer operator, which
 * would make other pods of the same resource, restarts nothing.
 */
export function specHashOf({ spec }: Pick<Cluster, 'spec'>): string {
  const { replicas, storage } = spec
  return hashOf({ ...saidOfPods(spec), replicas, storage: { className: storage.className, bytes: parseBytes(storage.size) } })
}

/**
 * Names what the resource says of pods alone. A pod that carries it is left alone whatever becomes of its StatefulSet: one that is
 * made anew, by a newer operator or for larger volumes, restarts nothing.
 */
export function templateHashOf({ spec }: Pick<Cluster, 'spec'>): string {
  return hashOf(saidOfPods(spec))
}

function saidOfPods({ image, imagePullPolicy, limits, podTemplate: overlay, resources, versionCache, zones }: PaxosGroupSpec): object {
  return {
    image,
    imagePullPolicy,
    logBytes: parseBytes(limits.logBytes),
    overlay,
    resources: saidOfResources(resources),
    versionCacheBytes: parseBytes(versionCache.size),
    zones,
  }
}

export function statefulSet(cluster: Cluster, group: number): KubeObject {
  const { spec } = cluster
  const templateHash = templateHashOf(cluster)
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metaOf(cluster, groupName(cluster.name, group), {
      group,
      annotations: { [ANNOTATIONS.templateHash]: templateHash, [ANNOTATIONS.specHash]: specHashOf(cluster) },
    }),
    spec: {
      serviceName: groupName(cluster.name, group),
      replicas: spec.replicas,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      selector: { matchLabels: selectorLabels(cluster, group) },
      template: withTemplateHash(podTemplate(cluster, group), templateHash),
      volumeClaimTemplates: [claimTemplate(cluster, group)],
    },
  }
}

/** Claims belong to nobody: they outlive the StatefulSet and the resource. */
function claimTemplate(cluster: Cluster, group: number): object {
  const { className, size } = cluster.spec.storage
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: VOLUME_NAME,
      labels: selectorLabels(cluster, group),
      annotations: { [ANNOTATIONS.clusterId]: cluster.clusterId },
    },
    spec: {
      accessModes: ['ReadWriteOnce'],
      ...(className === undefined ? {} : { storageClassName: className }),
      resources: { requests: { storage: size } },
    },
  }
}
