import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANNOTATIONS } from '../api/names.ts'
import { CLUSTER_ID, clusterWith } from '../plan/observed.fixture.ts'
import { specHashOf, statefulSet, templateHashOf } from './stateful-set.ts'

test('pods start together, none is replaced by Kubernetes, and claims say whose they are and outlive their maker', () => {
  const { metadata, spec } = statefulSet(clusterWith(), 1) as unknown as {
    metadata: { name: string; annotations: Record<string, string> }
    spec: Record<string, unknown> & { volumeClaimTemplates: { metadata: Record<string, unknown> }[] }
  }
  assert.equal(metadata.name, 'orders-g1')
  assert.deepEqual([spec.podManagementPolicy, spec.updateStrategy, spec.replicas], ['Parallel', { type: 'OnDelete' }, 3])
  const [claim] = spec.volumeClaimTemplates
  assert.deepEqual(claim?.metadata.annotations, { [ANNOTATIONS.clusterId]: CLUSTER_ID })
  assert.equal(claim?.metadata.ownerReferences, undefined)
})

test('a pod carries the hash of the template that it is made from', () => {
  const cluster = clusterWith()
  const { metadata, spec } = statefulSet(cluster, 0) as unknown as {
    metadata: { annotations: Record<string, string> }
    spec: { template: { metadata: { annotations: Record<string, string> } } }
  }
  const hash = templateHashOf(cluster)
  assert.equal(metadata.annotations[ANNOTATIONS.templateHash], hash)
  assert.equal(spec.template.metadata.annotations[ANNOTATIONS.templateHash], hash)
})

test('what is said of pods and volumes changes the hash of the resource; another default image, or more groups, does not', () => {
  const hash = specHashOf(clusterWith())
  for (const spec of [{ image: 'i:2' }, { storage: { size: '20Gi' } }, { resources: {} }, { limits: { logBytes: '512Mi' } }])
    assert.notEqual(specHashOf(clusterWith(spec)), hash, JSON.stringify(spec))
  for (const spec of [{ groups: 3 }, { paused: true }, { replaceAfter: '1m' }, { storage: { retentionPolicy: 'Delete' } }])
    assert.equal(specHashOf(clusterWith(spec)), hash, JSON.stringify(spec))
  const newer = { ...clusterWith(), defaultImage: 'thermocline:2' }
  assert.equal(specHashOf(newer), hash)
  assert.equal(templateHashOf(newer), templateHashOf(clusterWith()))
  assert.equal(templateHashOf(clusterWith({ storage: { size: '20Gi' } })), templateHashOf(clusterWith()))
  assert.notEqual(templateHashOf(clusterWith({ image: 'i:2' })), templateHashOf(clusterWith()))
})

test('a size that is spelled in another way is the same', () => {
  const cluster = clusterWith({ resources: { requests: { memory: '1Gi', cpu: '500m' } } })
  const respelled = clusterWith({
    resources: { requests: { memory: '1024Mi', cpu: '500m' } },
    storage: { size: String(10 * 1024 ** 3) },
    limits: { logBytes: '0.25Gi' },
    versionCache: { size: '65536Ki' },
  })
  assert.equal(templateHashOf(respelled), templateHashOf(cluster))
  assert.equal(specHashOf(respelled), specHashOf(cluster))
})
