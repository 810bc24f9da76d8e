import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANNOTATIONS, LABELS } from '../api/names.ts'
import { tierWith } from '../plan/memory-observed.fixture.ts'
import { CLUSTER_ID } from '../plan/observed.fixture.ts'
import { memoryBudget, memoryService, memoryStatefulSet, memoryTemplateHash } from './memory-objects.ts'

interface PodTemplate {
  readonly metadata: { readonly labels: Record<string, string>; readonly annotations: Record<string, string> }
  readonly spec: {
    readonly containers: readonly { readonly args: readonly string[]; readonly volumeMounts: readonly { readonly name: string }[] }[]
    readonly volumes: readonly { readonly name: string; readonly emptyDir?: { readonly medium?: string; readonly sizeLimit?: string } }[]
    readonly [field: string]: unknown
  }
}

const setOf = (spec: Record<string, unknown> = {}, replicas = 2) =>
  memoryStatefulSet(tierWith(spec), 1, replicas) as unknown as {
    metadata: { name: string; annotations: Record<string, string>; ownerReferences: { kind: string }[] }
    spec: Record<string, unknown> & { selector: { matchLabels: Record<string, string> }; template: PodTemplate }
  }

test('pods start together, and Kubernetes rolls out a change; the objects are the MemoryGroup’s', () => {
  const { metadata, spec } = setOf()
  assert.equal(metadata.name, 'cache-m1')
  assert.equal(metadata.ownerReferences[0]?.kind, 'MemoryGroup')
  assert.deepEqual(
    [spec.podManagementPolicy, spec.updateStrategy, spec.replicas],
    ['Parallel', { type: 'RollingUpdate', rollingUpdate: { partition: 0 } }, 2],
  )
  assert.equal(spec.volumeClaimTemplates, undefined)
})

test('a machine is told who it is, where the storage tier is, and what it may use', () => {
  const [container] = setOf({ cache: { size: '2Gi' } }).spec.template.spec.containers
  for (const wanted of [
    '--role=memory',
    '--group=1',
    '--machine=hostname',
    `--cluster=${CLUSTER_ID}`,
    '--storage=orders-storage.shop.svc.cluster.local:7400',
    `--cache=${2 * 1024 ** 3}`,
    '--prefetch=on',
  ])
    assert.ok(container?.args.includes(wanted), wanted)
})

test('the cache is in memory-backed storage a little larger than its file, and every mount has its volume', () => {
  const { volumes, containers } = setOf({ cache: { size: '64Mi' } }).spec.template.spec
  assert.deepEqual(volumes.find(({ name }) => name === 'cache')?.emptyDir, { medium: 'Memory', sizeLimit: String(65 * 1024 ** 2) })
  for (const { name } of containers[0]?.volumeMounts ?? [])
    assert.ok(
      volumes.some((volume) => volume.name === name),
      name,
    )
})

test('pods are selected by what never changes, and say whose cache they are and what they were made from', () => {
  const { spec, metadata } = setOf()
  const { labels, annotations } = spec.template.metadata
  assert.deepEqual(
    [labels[LABELS.component], labels[LABELS.instance], labels[LABELS.group], labels[LABELS.paxosGroup]],
    ['memory', 'cache', '1', 'orders'],
  )
  assert.equal(spec.selector.matchLabels[LABELS.paxosGroup], undefined)
  assert.equal(annotations[ANNOTATIONS.templateHash], metadata.annotations[ANNOTATIONS.templateHash])
})

test('traffic, split point, warm-up, replicas and groups are no part of the pods; what is said of pods is', () => {
  const hash = memoryTemplateHash(tierWith())
  for (const spec of [
    { trafficPercent: 0 },
    { newerThan: '3d' },
    { warmUp: { duration: '5m' } },
    { replicas: 7 },
    { groups: 4 },
    { paused: true },
    { cache: { size: '1024Mi' } },
  ]) {
    assert.equal(memoryTemplateHash(tierWith(spec)), hash, JSON.stringify(spec))
    assert.deepEqual(setOf(spec).spec.template.metadata.annotations, setOf().spec.template.metadata.annotations)
  }
  for (const spec of [
    { image: 'i:2' },
    { cache: { size: '2Gi' } },
    { resources: {} },
    { zones: { policy: 'Required' } },
    { warmUp: { prefetch: false } },
  ])
    assert.notEqual(memoryTemplateHash(tierWith(spec)), hash, JSON.stringify(spec))
  assert.equal(memoryTemplateHash({ ...tierWith(), defaultImage: 'thermocline:2' } as ReturnType<typeof tierWith>), hash)
  assert.notEqual(memoryTemplateHash({ ...tierWith(), clusterId: 'cd'.repeat(16) }), hash)
})

test('the Service names machines that are not ready, too, and evictions take one of a group at a time', () => {
  const service = memoryService(tierWith(), 0).spec as { clusterIP: string; publishNotReadyAddresses: boolean }
  assert.deepEqual([service.clusterIP, service.publishNotReadyAddresses], ['None', true])
  const budget = memoryBudget(tierWith(), 0).spec as { maxUnavailable: number; selector: { matchLabels: Record<string, string> } }
  assert.deepEqual([budget.maxUnavailable, budget.selector.matchLabels[LABELS.group]], [1, '0'])
})
