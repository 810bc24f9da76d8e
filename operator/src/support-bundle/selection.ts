/**
 * What of a namespace is ours, and what is asked of a pod. Objects that the operator makes carry labels; events, volumes and
 * Secrets are told by names, so that those of objects that are gone are found, too. Pure.
 */
import { DEFAULT_HTTP_PORT } from '@thermocline/protocol'
import { LABELS, MEMORY, STORAGE, VOLUME_NAME } from '../api/names.ts'
import type { KubeObject } from '../runtime/ports.ts'

/** Pods, claims and everything that is applied for a resource. */
export const labelSelectorOf = (names: readonly string[] | undefined): string =>
  names === undefined ? `${LABELS.name}=thermocline` : `${LABELS.name}=thermocline,${LABELS.instance} in (${names.join(',')})`

/** The resource of that name, and what is there for it: the MemoryGroups of a PaxosGroup. */
export function isOrServes({ metadata, spec }: KubeObject, name: string): boolean {
  const { paxosGroupRef } = (spec ?? {}) as { paxosGroupRef?: { name?: string } }
  return metadata.name === name || paxosGroupRef?.name === name
}

/** The chart's objects; the name label follows `nameOverride`, the chart's does not. */
export const OPERATOR_SELECTOR = `${LABELS.component}=operator`
export const isOperators = ({ metadata: { labels = {} } }: KubeObject): boolean =>
  labels[LABELS.name] === 'thermocline' || (labels['helm.sh/chart'] ?? '').startsWith('thermocline-')

const OPERATOR_HTTP_PORT = 8080

interface Container {
  readonly name: string
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
}

interface ContainerStatus {
  readonly name: string
  readonly restartCount?: number
  readonly lastState?: { readonly terminated?: object }
  readonly state?: { readonly waiting?: { readonly reason?: string } }
}

interface PodSpec {
  readonly nodeName?: string
  readonly containers?: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly volumes?: readonly { readonly secret?: { readonly secretName?: string } }[]
  readonly imagePullSecrets?: readonly { readonly name?: string }[]
}

interface PodStatus {
  readonly phase?: string
  readonly containerStatuses?: readonly ContainerStatus[]
  readonly initContainerStatuses?: readonly ContainerStatus[]
}

const specOf = (pod: KubeObject): PodSpec => (pod.spec ?? {}) as PodSpec
const statusOf = (pod: KubeObject): PodStatus => (pod.status ?? {}) as PodStatus

export interface WantedLog {
  readonly container: string
  /** Of the container before its last restart. */
  readonly previous: boolean
}

/** Logs that a pod may have. One of a container before its restart is asked for only if there was a restart. */
export function logsOf(pod: KubeObject): WantedLog[] {
  const { containers = [], initContainers = [] } = specOf(pod)
  const { containerStatuses = [], initContainerStatuses = [] } = statusOf(pod)
  const states = [...initContainerStatuses, ...containerStatuses]
  return [...initContainers, ...containers].flatMap(({ name }) => {
    const state = states.find((one) => one.name === name)
    const hasRestarted = (state?.restartCount ?? 0) > 0 || state?.lastState?.terminated !== undefined
    return [{ container: name, previous: false }, ...(hasRestarted ? [{ container: name, previous: true }] : [])]
  })
}

/** Why a pod cannot answer, if that is known without asking it. */
export function silenceOf(pod: KubeObject): string | undefined {
  const { phase = 'Unknown', containerStatuses = [] } = statusOf(pod)
  if (phase === 'Running') return undefined
  const waiting = containerStatuses.map(({ state }) => state?.waiting?.reason).find((reason) => reason !== undefined)
  return `the pod is ${phase}${waiting === undefined ? '' : `, ${waiting}`}`
}

/** The port of HTTP, as the pod says. */
function httpPortOf(pod: KubeObject, fallback: number): number {
  const ports = (specOf(pod).containers ?? []).flatMap((container) => container.ports ?? [])
  return ports.find(({ name }) => name === 'http')?.containerPort ?? fallback
}

export interface Asked {
  readonly port: number
  readonly path: string
  /** Name of the file. */
  readonly file: string
}

/** What a node tells of itself without a token, by its HTTP port. */
export const NODE_PAGES = [
  { path: '/v1/admin/status', file: 'status.json' },
  { path: '/v1/admin/topology', file: 'topology.json' },
  { path: '/metrics', file: 'metrics.txt' },
] as const

export function askedOfNode(pod: KubeObject): Asked[] {
  const port = httpPortOf(pod, DEFAULT_HTTP_PORT)
  return NODE_PAGES.map((page) => ({ port, ...page }))
}

export const askedOfOperator = (pod: KubeObject): Asked[] => [
  { port: httpPortOf(pod, OPERATOR_HTTP_PORT), path: '/metrics', file: 'metrics.txt' },
]

/** Runs a node: jobs and hooks of the same labels do not. */
export const isNodePod = ({ metadata: { labels = {} } }: KubeObject): boolean =>
  labels[LABELS.component] === STORAGE || labels[LABELS.component] === MEMORY

/** What the operator makes of a resource `NAME` is called `NAME-` and one of these; claims have `data-` before that. */
const MADE = /^(?:[gm]\d+(?:-\d+)?|bootstrap|admin|storage|node|memory)$/

/** Whether an object of this name is one of these resources or was made for one; it may be gone. */
export function isNameOfOurs(name: string, resources: readonly string[]): boolean {
  const made = name.startsWith(`${VOLUME_NAME}-`) ? name.slice(VOLUME_NAME.length + 1) : name
  return resources.some(
    (resource) =>
      name === resource || [name, made].some((one) => one.startsWith(`${resource}-`) && MADE.test(one.slice(resource.length + 1))),
  )
}

interface EventFields {
  readonly involvedObject?: { readonly kind?: string; readonly name?: string; readonly namespace?: string }
  readonly type?: string
  readonly reason?: string
  readonly message?: string
  readonly count?: number
  readonly firstTimestamp?: string | null
  readonly lastTimestamp?: string | null
  readonly eventTime?: string | null
  readonly series?: { readonly count?: number; readonly lastObservedTime?: string }
}

const eventOf = (event: KubeObject): EventFields => event as unknown as EventFields

/** The name of what an event is about. */
export const subjectOf = (event: KubeObject): string => eventOf(event).involvedObject?.name ?? ''

/** A line for each, oldest first. */
export function eventLines(events: readonly KubeObject[]): string {
  const lines = events.map((object) => {
    const { involvedObject, type, reason, message, count, series, ...times } = eventOf(object)
    const last = series?.lastObservedTime ?? times.lastTimestamp ?? times.eventTime ?? times.firstTimestamp ?? ''
    const often = series?.count ?? count ?? 1
    const text = (message ?? '').replace(/\s+/g, ' ')
    return `${last}\t${type ?? ''}\t${reason ?? ''}\t${involvedObject?.kind ?? ''}/${involvedObject?.name ?? ''}\t${text}${often > 1 ? ` (${often} times)` : ''}`
  })
  return `${lines.sort().join('\n')}\n`
}

/** Volumes that belong to a claim of ours, or did. */
export function isVolumeOf(volume: KubeObject, namespaces: ReadonlyMap<string, readonly string[]>): boolean {
  const { claimRef } = (volume.spec ?? {}) as { claimRef?: { namespace?: string; name?: string } }
  const resources = namespaces.get(claimRef?.namespace ?? '')
  return resources !== undefined && isNameOfOurs(claimRef?.name ?? '', resources)
}

export const isAttachmentOf = (attachment: KubeObject, volumes: ReadonlySet<string>): boolean => {
  const { source } = (attachment.spec ?? {}) as { source?: { persistentVolumeName?: string } }
  return volumes.has(source?.persistentVolumeName ?? '')
}

export interface SecretName {
  readonly name: string
  readonly isThere: boolean
}

/** Secrets of ours and those that the pods name, by name: one that is missing is why a pod does not start. */
export function secretNames(
  present: readonly KubeObject[],
  isOurs: (object: KubeObject) => boolean,
  pods: readonly KubeObject[],
): SecretName[] {
  const there = new Set(present.map(({ metadata }) => metadata.name))
  const wanted = new Set(present.filter(isOurs).map(({ metadata }) => metadata.name))
  for (const pod of pods) {
    const { volumes = [], imagePullSecrets = [] } = specOf(pod)
    for (const name of [...volumes.map(({ secret }) => secret?.secretName), ...imagePullSecrets.map(({ name: one }) => one)]) {
      if (name !== undefined) wanted.add(name)
    }
  }
  return [...wanted].sort().map((name) => ({ name, isThere: there.has(name) }))
}

/** The Lease by which these operators elect who leads. */
export function leaseNames(pods: readonly KubeObject[]): Set<string> {
  const variables = pods.flatMap((pod) => (specOf(pod).containers ?? []).flatMap(({ env = [] }) => env))
  const named = variables.flatMap(({ name, value }) => (name === 'THERMOCLINE_LEASE_NAME' && value !== undefined ? [value] : []))
  return new Set(named.length === 0 ? ['thermocline-operator'] : named)
}
