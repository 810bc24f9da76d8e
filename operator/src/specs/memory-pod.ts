/** The pod of a memory machine, as the StatefulSet of its group makes it. It has no volume but its cache. */
import { DEFAULT_DATA_PORT, DEFAULT_HTTP_PORT } from '@thermocline/protocol'
import { clientHostOf, memoryAccountName } from '../api/names.ts'
import { parseBytes } from '../api/quantity.ts'
import { type MemoryTier, paxosGroupLabel } from './memory-tier.ts'
import { CACHE_PATH, cacheVolume, nodePod } from './node-pod.ts'
import { selectorLabels } from './object.ts'
import type { PodTemplate } from './overlay.ts'

const CACHE = 'cache'

export function memoryPodTemplate(tier: MemoryTier, group: number): PodTemplate {
  const { spec } = tier
  const labels = selectorLabels(tier, group)
  return nodePod({
    labels: { ...labels, ...paxosGroupLabel(tier) },
    spreadLabels: labels,
    serviceAccount: memoryAccountName(tier.name),
    zones: spec.zones,
    image: spec.image ?? tier.defaultImage,
    imagePullPolicy: spec.imagePullPolicy,
    args: memoryArguments(tier, group),
    resources: spec.resources,
    volumes: [cacheVolume(CACHE, parseBytes(spec.cache.size) as number)],
    volumeMounts: [{ name: CACHE, mountPath: CACHE_PATH }],
    overlay: spec.podTemplate,
  })
}

function memoryArguments(tier: MemoryTier, group: number): string[] {
  const { spec, namespace, clusterDomain, clusterId } = tier
  const storage = clientHostOf({ name: spec.paxosGroupRef.name, namespace, clusterDomain })
  return [
    'node',
    '--role=memory',
    `--group=${group}`,
    '--machine=hostname',
    `--cluster=${clusterId}`,
    // Whoever answers there tells the rest.
    `--storage=${storage}:${DEFAULT_DATA_PORT}`,
    `--listen=0.0.0.0:${DEFAULT_DATA_PORT}`,
    `--http=0.0.0.0:${DEFAULT_HTTP_PORT}`,
    `--cache-dir=${CACHE_PATH}`,
    `--cache=${parseBytes(spec.cache.size)}`,
    `--prefetch=${spec.warmUp.prefetch ? 'on' : 'off'}`,
  ]
}
