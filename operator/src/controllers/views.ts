/** Kubernetes' objects → what the plan knows of them. Pure; fields that are missing mean what Kubernetes says they mean. */
import { ANNOTATIONS, VOLUME_NAME } from '../api/names.ts'
import { parseBytes } from '../api/quantity.ts'
import { parseTime } from '../api/time.ts'
import type { ObservedMemorySet } from '../plan/memory-observed.ts'
import type { ObservedClaim, ObservedNode, ObservedPod, ObservedStatefulSet } from '../plan/observed.ts'
import type { KubeObject } from '../runtime/mod.ts'

const HOST_LABEL = 'kubernetes.io/hostname'

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string }
  readonly terminated?: { readonly exitCode: number; readonly reason?: string; readonly message?: string }
}

interface PodStatus {
  readonly phase?: ObservedPod['phase']
  readonly podIP?: string
  readonly conditions?: readonly Condition[]
  readonly containerStatuses?: readonly {
    readonly state?: ContainerState
    readonly lastState?: ContainerState
    readonly restartCount?: number
  }[]
}

/** What a container waits for while it merely starts. */
const STARTING = new Set(['ContainerCreating', 'PodInitializing'])

export function viewPod({ metadata, spec, status }: KubeObject): ObservedPod {
  const { nodeName } = (spec ?? {}) as { nodeName?: string }
  const { phase = 'Pending', podIP, conditions = [], containerStatuses = [] } = (status ?? {}) as PodStatus
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion,
    node: nodeName,
    ip: podIP === undefined || podIP === '' ? undefined : podIP,
    phase,
    isReady: conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    isDeleting: metadata.deletionTimestamp !== undefined,
    templateHash: metadata.annotations?.[ANNOTATIONS.templateHash],
    createdAtMs: metadata.creationTimestamp === undefined ? 0 : parseTime(metadata.creationTimestamp),
    trouble: troubleOf(conditions, containerStatuses),
  }
}

function troubleOf(conditions: readonly Condition[], containers: NonNullable<PodStatus['containerStatuses']>): string | undefined {
  const unscheduled = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  if (unscheduled !== undefined) return `it fits on no node: ${unscheduled.message ?? unscheduled.reason ?? ''}`
  for (const { state, lastState } of containers) {
    const { waiting } = state ?? {}
    if (waiting === undefined || STARTING.has(waiting.reason ?? '')) continue
    const { terminated } = lastState ?? {}
    const last = terminated === undefined ? '' : `; it last ended with exit code ${terminated.exitCode}${lastWords(terminated.message)}`
    return `${waiting.reason ?? 'it waits'}${waiting.message === undefined ? '' : `: ${waiting.message}`}${last}`
  }
  return undefined
}

const MOST_WORDS = 500

/** The last line of a log; what a program says as it gives up. */
function lastWords(message = ''): string {
  const line = message.trimEnd().split('\n').at(-1) ?? ''
  return line === '' ? '' : `: ${line.slice(0, MOST_WORDS)}`
}

/** `hostNodes`: what the nodes call themselves → their names. */
export function viewClaim(
  claim: KubeObject,
  volume: KubeObject | undefined,
  canSeeVolumes: boolean,
  hostNodes: ReadonlyMap<string, string>,
): ObservedClaim {
  const { metadata } = claim
  const spec = (claim.spec ?? {}) as { volumeName?: string; resources?: { requests?: { storage?: string } } }
  const status = (claim.status ?? {}) as { phase?: string; capacity?: { storage?: string } }
  const isBound = status.phase === 'Bound'
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    isBound,
    isDeleting: metadata.deletionTimestamp !== undefined,
    requestedBytes: parseBytes(spec.resources?.requests?.storage ?? '0') ?? 0,
    capacityBytes: parseBytes(status.capacity?.storage ?? '0') ?? 0,
    clusterId: metadata.annotations?.[ANNOTATIONS.clusterId],
    pinnedTo: volume === undefined ? undefined : pinnedTo(volume)?.map((host) => hostNodes.get(host) ?? host),
    holdsForeign: metadata.annotations?.[ANNOTATIONS.foreignVolume] !== undefined,
    isLost: status.phase === 'Lost' || (isBound && canSeeVolumes && volume === undefined),
  }
}

interface NodeTerm {
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] }[]
}

/** The hosts that a volume can be used on, if it says so by their names. */
function pinnedTo(volume: KubeObject): string[] | undefined {
  const { nodeAffinity } = (volume.spec ?? {}) as { nodeAffinity?: { required?: { nodeSelectorTerms?: readonly NodeTerm[] } } }
  const terms = nodeAffinity?.required?.nodeSelectorTerms
  if (terms === undefined || terms.length === 0) return undefined
  const hosts = terms.map((term) => term.matchExpressions?.find(({ key, operator }) => key === HOST_LABEL && operator === 'In')?.values)
  return hosts.some((values) => values === undefined) ? undefined : hosts.flatMap((values) => values ?? [])
}

export function isReadyNode({ status }: KubeObject): boolean {
  const { conditions = [] } = (status ?? {}) as { conditions?: readonly Condition[] }
  return conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')
}

export function viewNode(node: KubeObject, zoneKey: string): ObservedNode {
  const { metadata, spec } = node
  return {
    isReady: isReadyNode(node),
    isUnschedulable: (spec as { unschedulable?: boolean } | undefined)?.unschedulable === true,
    zone: metadata.labels?.[zoneKey] ?? '',
  }
}

export const hostOfNode = ({ metadata }: KubeObject): string => metadata.labels?.[HOST_LABEL] ?? metadata.name

export function viewStatefulSet({ metadata, spec }: KubeObject): ObservedStatefulSet {
  const { volumeClaimTemplates = [] } = (spec ?? {}) as {
    volumeClaimTemplates?: readonly { metadata?: { name?: string }; spec?: { resources?: { requests?: { storage?: string } } } }[]
  }
  const template = volumeClaimTemplates.find((one) => one.metadata?.name === VOLUME_NAME)
  return {
    uid: metadata.uid ?? '',
    templateHash: metadata.annotations?.[ANNOTATIONS.templateHash],
    specHash: metadata.annotations?.[ANNOTATIONS.specHash],
    claimBytes: parseBytes(template?.spec?.resources?.requests?.storage ?? '0') ?? 0,
    isDeleting: metadata.deletionTimestamp !== undefined,
  }
}

export function viewMemorySet({ metadata, spec }: KubeObject): ObservedMemorySet {
  const { replicas = 1, updateStrategy } = (spec ?? {}) as {
    replicas?: number
    updateStrategy?: { rollingUpdate?: { partition?: number } }
  }
  return {
    uid: metadata.uid ?? '',
    labels: metadata.labels ?? {},
    owner: metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid,
    templateHash: metadata.annotations?.[ANNOTATIONS.templateHash],
    replicas,
    partition: updateStrategy?.rollingUpdate?.partition ?? 0,
    isDeleting: metadata.deletionTimestamp !== undefined,
  }
}
