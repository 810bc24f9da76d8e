/** What pods of all nodes have in common: how they are hardened, spread, probed and stopped. */
import { DEFAULT_DATA_PORT, DEFAULT_HTTP_PORT } from '@thermocline/protocol'
import type { ResourceRequirements, Zones } from '../api/node-fields.ts'
import { parseBytes } from '../api/quantity.ts'
import { mergePodTemplate, type PodOverlay, type PodTemplate } from './overlay.ts'

export const CONTAINER_NAME = 'node'
const USER_ID = 10_001
/** Where a cache that outlives its process lies. */
export const CACHE_PATH = '/var/cache/thermocline'
/** What a cache's volume has besides the file. */
const CACHE_SLACK_BYTES = 1024 * 1024
/** A stop drains requests and flushes: 3 s, and no more than 9 in all; the rest is for slow machines. */
const GRACE_SECONDS = 30
/** Until endpoints forget the pod, new clients still come: the listener stays that long. */
const PRE_STOP_SECONDS = 2

export interface NodePod {
  readonly labels: Readonly<Record<string, string>>
  /** What is spread: the pods with these labels. */
  readonly spreadLabels: Readonly<Record<string, string>>
  readonly serviceAccount: string
  readonly zones: Zones
  readonly image: string
  readonly imagePullPolicy: string
  readonly args: readonly string[]
  readonly resources: ResourceRequirements
  readonly volumes: readonly object[]
  readonly volumeMounts: readonly object[]
  /** The user's part. */
  readonly overlay: PodOverlay | undefined
}

export function nodePod(pod: NodePod): PodTemplate {
  const template: PodTemplate = {
    metadata: { labels: pod.labels, annotations: { 'kubectl.kubernetes.io/default-container': CONTAINER_NAME } },
    spec: {
      serviceAccountName: pod.serviceAccount,
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
      ...spreadOf(pod),
      containers: [containerOf(pod)],
      volumes: [...pod.volumes, { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } }],
    },
  }
  return pod.overlay === undefined ? template : mergePodTemplate(template, pod.overlay)
}

/** Zones first, then nodes. What may not be had is asked for, or insisted on. */
function spreadOf({ zones, spreadLabels }: NodePod): object {
  const isRequired = zones.policy === 'Required'
  const onOneNode = { labelSelector: { matchLabels: spreadLabels }, topologyKey: 'kubernetes.io/hostname' }
  return {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: zones.topologyKey,
        whenUnsatisfiable: isRequired ? 'DoNotSchedule' : 'ScheduleAnyway',
        labelSelector: { matchLabels: spreadLabels },
      },
    ],
    affinity: {
      podAntiAffinity: isRequired
        ? { requiredDuringSchedulingIgnoredDuringExecution: [onOneNode] }
        : { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: onOneNode }] },
    },
  }
}

function containerOf({ image, imagePullPolicy, args, resources, volumeMounts }: NodePod): Record<string, unknown> {
  return {
    name: CONTAINER_NAME,
    image,
    imagePullPolicy,
    // The last words of a node that ends are in the pod's status, and so in the resource's.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    args,
    ports: [
      { name: 'data', containerPort: DEFAULT_DATA_PORT, protocol: 'TCP' },
      { name: 'http', containerPort: DEFAULT_HTTP_PORT, protocol: 'TCP' },
    ],
    resources,
    readinessProbe: { httpGet: { path: '/readyz', port: 'http' }, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2 },
    // Replaying a long log is no failure: only a store that cannot go on says so here.
    livenessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    lifecycle: { preStop: { exec: { command: ['sleep', String(PRE_STOP_SECONDS)] } } },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    volumeMounts: [...volumeMounts, { name: 'tmp', mountPath: '/tmp' }],
  }
}

/** In memory, so that it outlives the container. */
export const cacheVolume = (name: string, bytes: number): object => ({
  name,
  emptyDir: { medium: 'Memory', sizeLimit: String(bytes + CACHE_SLACK_BYTES) },
})

/** Resources for hashes: a size that is merely spelled in another way says nothing new. */
export function saidOfResources({ requests, limits }: ResourceRequirements): object {
  const byValue = (list: Readonly<Record<string, string | number>> = {}): object =>
    Object.fromEntries(Object.entries(list).map(([name, value]) => [name, parseBytes(String(value)) ?? value]))
  return { requests: byValue(requests), limits: byValue(limits) }
}
