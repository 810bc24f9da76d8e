/**
 * The StatefulSet controller: pods and claims by ordinal, all at once (Parallel), and replaced by nobody (OnDelete), or by itself
 * from the last to the first, each once those after it are ready (RollingUpdate, down to the partition); other policies are not
 * simulated. Like the real one it adopts orphans that its selector matches, leaves claims alone, and with OnDelete never moves
 * `status.currentRevision`. A pod below the partition that is made anew is of the newest template, unlike a real one.
 */
import { hashOf } from '../../src/runtime/apply.ts'
import type { KubeObject, ObjectMeta } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import { CLAIM_PROTECTION } from './garbage-collector.ts'
import { isReady } from './pod-status.ts'
import { type LabelSelector, matchesSelector } from './selector.ts'
import type { Store } from './store.ts'

export const REVISION_LABEL = 'controller-revision-hash'

interface Template {
  readonly metadata?: Partial<ObjectMeta>
  readonly spec?: Readonly<Record<string, unknown>>
}

interface StatefulSetSpec {
  readonly replicas?: number
  readonly selector: LabelSelector
  readonly template: Template
  readonly podManagementPolicy?: string
  readonly updateStrategy?: { readonly type?: string; readonly rollingUpdate?: { readonly partition?: number } }
  readonly volumeClaimTemplates?: readonly { readonly metadata: ObjectMeta; readonly spec: object }[]
}

export function runStatefulSets(store: Store): void {
  for (const set of store.all(RESOURCES.statefulSets)) {
    if (set.metadata.deletionTimestamp === undefined) runStatefulSet(store, set)
  }
}

function runStatefulSet(store: Store, set: KubeObject): void {
  const spec = set.spec as StatefulSetSpec
  const { type, rollingUpdate } = spec.updateStrategy ?? {}
  if (spec.podManagementPolicy !== 'Parallel' || (type !== 'OnDelete' && type !== 'RollingUpdate')) {
    throw new Error(`StatefulSet ${set.metadata.name}: only podManagementPolicy Parallel with OnDelete or RollingUpdate is simulated`)
  }
  const revision = `${set.metadata.name}-${hashOf(spec.template).slice(0, 10)}`
  const replicas = spec.replicas ?? 1
  adopt(store, set, spec)
  for (let ordinal = 0; ordinal < replicas; ordinal++) runOrdinal(store, set, spec, ordinal, revision)
  for (const pod of podsOf(store, set)) {
    if (ordinalOf(pod) >= replicas && pod.metadata.deletionTimestamp === undefined) store.delete(RESOURCES.pods, pod.metadata)
  }
  if (type === 'RollingUpdate') rollOut(store, set, revision, rollingUpdate?.partition ?? 0)
  writeStatus(store, set, revision)
}

/** One that is not of the newest template goes, unless one after it is not back yet. */
function rollOut(store: Store, set: KubeObject, revision: string, partition: number): void {
  const pods = podsOf(store, set).filter((pod) => ordinalOf(pod) >= partition)
  for (const pod of pods.toSorted((a, b) => ordinalOf(b) - ordinalOf(a))) {
    const isEnding = pod.metadata.deletionTimestamp !== undefined
    if (!isEnding && pod.metadata.labels?.[REVISION_LABEL] !== revision) {
      store.delete(RESOURCES.pods, pod.metadata)
      return
    }
    if (isEnding || !isReady(pod)) return
  }
}

function runOrdinal(store: Store, set: KubeObject, spec: StatefulSetSpec, ordinal: number, revision: string): void {
  const { namespace } = set.metadata
  const name = `${set.metadata.name}-${ordinal}`
  const pod = store.get(RESOURCES.pods, { namespace, name })
  if (pod !== undefined && (pod.status as { phase?: string } | undefined)?.phase === 'Failed') {
    store.delete(RESOURCES.pods, pod.metadata)
    return
  }
  const isPending = pod === undefined || (pod.spec as { nodeName?: string }).nodeName === undefined
  if (!isPending || pod?.metadata.deletionTimestamp !== undefined) return
  const isRefused = spec.volumeClaimTemplates?.some((template) => !ensureClaim(store, set, template, name))
  if (pod !== undefined || isRefused === true) return
  const { template, volumeClaimTemplates = [] } = spec
  const volumes = volumeClaimTemplates.map(({ metadata }) => ({
    name: metadata.name,
    persistentVolumeClaim: { claimName: `${metadata.name}-${name}` },
  }))
  const labels = { ...template.metadata?.labels, [REVISION_LABEL]: revision, 'statefulset.kubernetes.io/pod-name': name }
  const metadata = { ...template.metadata, namespace, name, labels, ownerReferences: [ownerReference(set)] } as ObjectMeta
  const inherited = (template.spec?.volumes ?? []) as object[]
  const podSpec = { ...template.spec, hostname: name, volumes: [...inherited, ...volumes] }
  // A namespace that ends, a name that is taken: tried again at the next tick.
  attempt(() => store.create(RESOURCES.pods, { apiVersion: 'v1', kind: 'Pod', metadata, spec: podSpec }))
}

/** False while the old claim of that name is being deleted. */
function ensureClaim(store: Store, set: KubeObject, template: { metadata: ObjectMeta; spec: object }, podName: string): boolean {
  const at = { namespace: set.metadata.namespace as string, name: `${template.metadata.name}-${podName}` }
  const claim = store.get(RESOURCES.persistentVolumeClaims, at)
  if (claim !== undefined) return claim.metadata.deletionTimestamp === undefined
  const { matchLabels } = (set.spec as StatefulSetSpec).selector
  const labels = { ...template.metadata.labels, ...matchLabels }
  const metadata = { ...template.metadata, ...at, labels, finalizers: [CLAIM_PROTECTION] }
  return attempt(() =>
    store.create(RESOURCES.persistentVolumeClaims, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata, spec: template.spec }),
  )
}

function attempt(write: () => unknown): boolean {
  try {
    write()
    return true
  } catch {
    return false
  }
}

function ownerReference({ apiVersion, kind, metadata }: KubeObject) {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid as string, controller: true, blockOwnerDeletion: true }
}

const ownerOf = ({ metadata }: KubeObject): string | undefined => metadata.ownerReferences?.find(({ controller }) => controller)?.uid

function adopt(store: Store, set: KubeObject, { selector }: StatefulSetSpec): void {
  for (const pod of store.all(RESOURCES.pods, { namespace: set.metadata.namespace })) {
    if (ownerOf(pod) !== undefined || !pod.metadata.name.startsWith(`${set.metadata.name}-`)) continue
    if (!matchesSelector(selector, pod.metadata.labels ?? {})) continue
    store.amend(RESOURCES.pods, pod.metadata, { metadata: { ownerReferences: [ownerReference(set)] } })
  }
}

const podsOf = (store: Store, set: KubeObject): KubeObject[] =>
  store.all(RESOURCES.pods, { namespace: set.metadata.namespace }).filter((pod) => ownerOf(pod) === set.metadata.uid)

const ordinalOf = ({ metadata }: KubeObject): number => Number(metadata.name.slice(metadata.name.lastIndexOf('-') + 1))

function writeStatus(store: Store, set: KubeObject, revision: string): void {
  const pods = podsOf(store, set)
  const ready = pods.filter(isReady).length
  const { currentRevision = revision } = (set.status ?? {}) as { currentRevision?: string }
  const of = (wanted: string): number => pods.filter(({ metadata }) => metadata.labels?.[REVISION_LABEL] === wanted).length
  const status = {
    observedGeneration: set.metadata.generation,
    replicas: pods.length,
    readyReplicas: ready,
    availableReplicas: ready,
    currentReplicas: of(currentRevision),
    updatedReplicas: of(revision),
    currentRevision,
    updateRevision: revision,
  }
  store.amend(RESOURCES.statefulSets, set.metadata, { status }, 'status')
}
