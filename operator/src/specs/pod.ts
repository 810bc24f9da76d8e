/** The pod of a replica, as the StatefulSet of its group makes it. */
import { DEFAULT_DATA_PORT, DEFAULT_HTTP_PORT } from '@thermocline/protocol'
import { adminSecretName, VOLUME_NAME } from '../api/names.ts'
import { parseBytes } from '../api/quantity.ts'
import type { Cluster } from './cluster.ts'
import { CACHE_PATH, cacheVolume, nodePod } from './node-pod.ts'
import { selectorLabels } from './object.ts'
import type { PodTemplate } from './overlay.ts'

const DATA_PATH = '/data'
const TOKEN_PATH = '/etc/thermocline'
export const TOKEN_KEY = 'token'
/** Of the limit: the process aims at what it is told, and must not be killed for a little more. */
const MEMORY_SHARE = 0.9

export function serviceAccountName({ name }: Pick<Cluster, 'name'>): string {
  return `${name}-node`
}

export function podTemplate(cluster: Cluster, group: number): PodTemplate {
  const { spec } = cluster
  const labels = selectorLabels(cluster, group)
  return nodePod({
    labels,
    spreadLabels: labels,
    serviceAccount: serviceAccountName(cluster),
    zones: spec.zones,
    image: spec.image ?? cluster.defaultImage,
    imagePullPolicy: spec.imagePullPolicy,
    args: nodeArguments(cluster, group),
    resources: spec.resources,
    volumes: [
      cacheVolume('version-cache', parseBytes(spec.versionCache.size) as number),
      { name: 'token', secret: { secretName: adminSecretName(cluster.name), defaultMode: 0o440 } },
    ],
    volumeMounts: [
      { name: VOLUME_NAME, mountPath: DATA_PATH },
      { name: 'version-cache', mountPath: CACHE_PATH },
      { name: 'token', mountPath: TOKEN_PATH, readOnly: true },
    ],
    overlay: spec.podTemplate,
  })
}

function nodeArguments({ spec, clusterId }: Cluster, group: number): string[] {
  const memory = spec.resources.limits?.memory ?? spec.resources.requests?.memory
  const bytes = memory === undefined ? undefined : parseBytes(String(memory))
  return [
    'node',
    '--role=storage',
    // A folder of its own: a file system's root has files of others, like lost+found.
    `--data=${DATA_PATH}/node`,
    `--group=${group}`,
    '--replica=hostname',
    `--cluster=${clusterId}`,
    `--listen=0.0.0.0:${DEFAULT_DATA_PORT}`,
    `--http=0.0.0.0:${DEFAULT_HTTP_PORT}`,
    `--token-file=${TOKEN_PATH}/${TOKEN_KEY}`,
    // An operator is there to see it, and to have it moved out of the way.
    '--foreign-volume=wait',
    `--version-cache-dir=${CACHE_PATH}`,
    `--version-cache=${parseBytes(spec.versionCache.size)}`,
    `--log-bytes=${parseBytes(spec.limits.logBytes)}`,
    ...(bytes === undefined ? [] : [`--memory=${Math.floor(bytes * MEMORY_SHARE)}`]),
  ]
}
