/** The pod of a replica, as the StatefulSet of its group makes it. */
import { DEFAULT_DATA_PORT, DEFAULT_HTTP_PORT } from '@thermocline/protocol'
import { adminSecretName, VOLUME_NAME } from '../api/names.ts'
import { parseBytes } from '../api/quantity.ts'
import type { Cluster } from './cluster.ts'
import { selectorLabels } from './object.ts'
import { mergePodTemplate, type PodTemplate } from './overlay.ts'

export const CONTAINER_NAME = 'node'
const USER_ID = 10_001
const DATA_PATH = '/data'
const CACHE_PATH = '/var/cache/thermocline'
const TOKEN_PATH = '/etc/thermocline'
export const TOKEN_KEY = 'token'
/** What a version cache needs besides its entries. */
const CACHE_SLACK_BYTES = 1024 * 1024
/** Of the limit: the process aims at what it is told, and must not be killed for a little more. */
const MEMORY_SHARE = 0.9
/** A stop drains requests and flushes: 3 s, and no more than 9 in all; the rest is for slow machines. */
const GRACE_SECONDS = 30
/** Until endpoints forget the pod, new clients still come: the listener stays that long. */
const PRE_STOP_SECONDS = 2

export function serviceAccountName({ name }: Pick<Cluster, 'name'>): string {
  return `${name}-node`
}

export function podTemplate(cluster: Cluster, group: number): PodTemplate {
  const { spec } = cluster
  const labels = selectorLabels(cluster, group)
  const template: PodTemplate = {
    metadata: { labels, annotations: { 'kubectl.kubernetes.io/default-container': CONTAINER_NAME } },
    spec: {
      serviceAccountName: serviceAccountName(cluster),
      // A node asks Kubernetes nothing.
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: GRACE_SECONDS,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER_ID,
        runAsGroup: USER_ID,
        fsGroup: USER_ID,
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      },
      ...spreadOf(cluster, labels),
      containers: [containerOf(cluster, group)],
      volumes: [
        {
          name: 'version-cache',
          emptyDir: { medium: 'Memory', sizeLimit: String((parseBytes(spec.versionCache.size) as number) + CACHE_SLACK_BYTES) },
        },
        { name: 'token', secret: { secretName: adminSecretName(cluster.name), defaultMode: 0o440 } },
        { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
      ],
    },
  }
  return spec.podTemplate === undefined ? template : mergePodTemplate(template, spec.podTemplate)
}

/** Zones first, then nodes. What may not be had is asked for, or insisted on. */
function spreadOf({ spec }: Cluster, labels: Record<string, string>): object {
  const isRequired = spec.zones.policy === 'Required'
  const onOneNode = { labelSelector: { matchLabels: labels }, topologyKey: 'kubernetes.io/hostname' }
  return {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: spec.zones.topologyKey,
        whenUnsatisfiable: isRequired ? 'DoNotSchedule' : 'ScheduleAnyway',
        labelSelector: { matchLabels: labels },
      },
    ],
    affinity: {
      podAntiAffinity: isRequired
        ? { requiredDuringSchedulingIgnoredDuringExecution: [onOneNode] }
        : { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: onOneNode }] },
    },
  }
}

function containerOf(cluster: Cluster, group: number): Record<string, unknown> {
  const { spec } = cluster
  return {
    name: CONTAINER_NAME,
    image: spec.image ?? cluster.defaultImage,
    imagePullPolicy: spec.imagePullPolicy,
    // The last words of a node that ends are in the pod's status, and so in the resource's.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    args: nodeArguments(cluster, group),
    ports: [
      { name: 'data', containerPort: DEFAULT_DATA_PORT, protocol: 'TCP' },
      { name: 'http', containerPort: DEFAULT_HTTP_PORT, protocol: 'TCP' },
    ],
    resources: spec.resources,
    readinessProbe: { httpGet: { path: '/readyz', port: 'http' }, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2 },
    // Replaying a long log is no failure: only a store that cannot go on says so here.
    livenessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    lifecycle: { preStop: { exec: { command: ['sleep', String(PRE_STOP_SECONDS)] } } },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    volumeMounts: [
      { name: VOLUME_NAME, mountPath: DATA_PATH },
      { name: 'version-cache', mountPath: CACHE_PATH },
      { name: 'token', mountPath: TOKEN_PATH, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  }
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
