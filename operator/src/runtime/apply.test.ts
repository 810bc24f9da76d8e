import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idleProcess, SILENT, SimCluster } from '../../sim/src/mod.ts'
import { APPLIED_HASH, Applier, type ApplyDecision, decideApply, hashOf } from './apply.ts'
import { differences } from './difference.ts'
import type { KubeObject } from './ports.ts'
import { RESOURCES } from './resources.ts'

const desired: KubeObject = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 's', namespace: 'default', labels: { app: 'x' } },
  spec: {
    replicas: 3,
    template: {
      spec: {
        securityContext: {},
        containers: [
          {
            name: 'node',
            image: 'i:1',
            args: ['a', 'b'],
            resources: { requests: { cpu: '0.5', memory: '1024Mi' } },
            env: [{ name: 'X', value: '1' }],
          },
        ],
      },
    },
  },
}

/** As a server has it after the apply: with defaults, its own way to write quantities, and what others added. */
function served(change: (object: { metadata: Record<string, unknown>; spec: Record<string, never> }) => void = () => {}): KubeObject {
  const object = structuredClone(desired) as unknown as Parameters<typeof change>[0] & { metadata: { annotations?: object } }
  Object.assign(object.metadata, { uid: 'u', resourceVersion: '9', annotations: { [APPLIED_HASH]: hashOf(desired), other: 'y' } })
  const spec = object.spec as unknown as {
    podManagementPolicy: string
    template: { spec: { securityContext?: object; containers: object[] } }
  }
  spec.podManagementPolicy = 'OrderedReady'
  delete spec.template.spec.securityContext
  Object.assign(spec.template.spec.containers[0] as object, {
    terminationMessagePath: '/dev/termination-log',
    resources: { requests: { cpu: '500m', memory: '1Gi' } },
  })
  spec.template.spec.containers.unshift({ name: 'injected', image: 'sidecar' })
  change(object)
  return object as unknown as KubeObject
}

const containerOf = (object: { spec: Record<string, never> }): Record<string, unknown> =>
  ((object.spec as unknown as { template: { spec: { containers: Record<string, unknown>[] } } }).template.spec.containers[1] ??
    {}) as Record<string, unknown>

const outcome = (decision: ApplyDecision): string =>
  decision.act === 'none' ? 'none' : `${decision.why} ${decision.paths.join(' ')}`.trim()

const TABLE: readonly [string, KubeObject | undefined, string][] = [
  ['it is not there', undefined, 'absent'],
  ['it is as applied, with defaults and additions of others', served(), 'none'],
  [
    'another value was set by hand',
    served((object) => {
      containerOf(object).image = 'i:hand'
    }),
    'drifted spec.template.spec.containers[node].image',
  ],
  [
    'a field was removed by hand',
    served((object) => {
      delete containerOf(object).env
    }),
    'drifted spec.template.spec.containers[node].env',
  ],
  [
    'a list of plain values is a whole',
    served((object) => {
      containerOf(object).args = ['a', 'b', 'c']
    }),
    'drifted spec.template.spec.containers[node].args',
  ],
  [
    'a label was removed',
    served((object) => {
      object.metadata.labels = {}
    }),
    'drifted metadata.labels.app',
  ],
  [
    'we applied something else before, which may have named more fields',
    served((object) => {
      object.metadata.annotations = { [APPLIED_HASH]: 'before' }
    }),
    'changed',
  ],
  [
    'it was not ours before',
    served((object) => {
      delete object.metadata.annotations
    }),
    'changed',
  ],
]

for (const [name, current, wanted] of TABLE) {
  test(`apply if: ${name}`, () => assert.equal(outcome(decideApply(desired, current)), wanted))
}

test('the hash is of what we want, in whatever order, and stands in the annotations beside ours', () => {
  const wanted = { ...desired, metadata: { labels: { app: 'x' }, annotations: { a: 'b' }, namespace: 'default', name: 's' } }
  const decision = decideApply(wanted, undefined)
  assert.ok(decision.act === 'apply')
  assert.deepEqual(decision.object.metadata.annotations, { a: 'b', [APPLIED_HASH]: hashOf(wanted) })
  assert.equal(hashOf({ a: 1, b: [{ c: 2, d: undefined }] }), hashOf({ b: [{ c: 2 }], a: 1 }))
  assert.notEqual(hashOf({ a: 1 }), hashOf({ a: '1' }))
})

test('quantities are compared by value, other texts by letter', () => {
  const same: [unknown, unknown][] = [
    ['0.5', '500m'],
    ['1000m', 1],
    ['1024Mi', '1Gi'],
    ['1e', '1e'],
    [{}, undefined],
    [null, 3],
  ]
  for (const [a, b] of same) assert.deepEqual(differences(a, b, 'resources.requests.cpu'), [], JSON.stringify([a, b]))
  const different: [unknown, unknown][] = [
    ['1G', '1Gi'],
    ['1', '2'],
    ['v1', 'v2'],
    [true, 'true'],
    [['a'], 'a'],
    [{ a: 1 }, [1]],
    ['', undefined],
  ]
  for (const [a, b] of different) assert.notDeepEqual(differences(a, b, 'resources.requests.cpu'), [], JSON.stringify([a, b]))
})

test('a text that looks like a quantity is a text elsewhere', () => {
  assert.deepEqual(differences({ data: { a: '1' } }, { data: { a: '1000m' } }), ['data.a'])
  assert.deepEqual(differences({ emptyDir: { sizeLimit: '1024Mi' } }, { emptyDir: { sizeLimit: '1Gi' } }), [])
})

test('a second pass writes nothing; what we stop naming is removed; what others set stays', async () => {
  const cluster = new SimCluster({ seed: 1, start: idleProcess })
  cluster.stop()
  const { store } = cluster
  const kube = cluster.client()
  const writes: string[] = []
  const applier = new Applier(kube, SILENT, (resource) => writes.push(resource))
  const at = { namespace: 'default', name: 'c' }
  const pass = async (data: Record<string, string>): Promise<void> => {
    const object: KubeObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: at, data }
    const applied = applier.apply(RESOURCES.configMaps, object, store.get(RESOURCES.configMaps, at))
    await cluster.run(1000)
    await applied
  }
  await pass({ a: '1', b: '2' })
  await pass({ b: '2', a: '1' })
  assert.deepEqual(writes, ['configmaps'])
  store.patch(RESOURCES.configMaps, at, { data: { theirs: '3' } })
  await pass({ a: '1' })
  assert.deepEqual(store.get(RESOURCES.configMaps, at)?.data, { a: '1', theirs: '3' })
  store.patch(RESOURCES.configMaps, at, { data: { a: 'by hand' } })
  await pass({ a: '1' })
  assert.deepEqual(store.get(RESOURCES.configMaps, at)?.data, { a: '1', theirs: '3' })
  assert.equal(writes.length, 3)
})

test('a value that the server writes in its own way is applied once, not for ever', async () => {
  const cluster = new SimCluster({ seed: 1, start: idleProcess })
  cluster.stop()
  const { store } = cluster
  store.admissions.push((_, object) => ({ ...object, ...(object.data === undefined ? {} : { data: { ...object.data, a: 'THEIRS' } }) }))
  let writes = 0
  const applier = new Applier(cluster.client(), SILENT, () => writes++)
  const at = { namespace: 'default', name: 'c' }
  for (const a of ['1', '1', '1', '2', '2']) {
    const object: KubeObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: at, data: { a } }
    const applied = applier.apply(RESOURCES.configMaps, object, store.get(RESOURCES.configMaps, at))
    await cluster.run(1000)
    await applied
  }
  assert.equal(writes, 2)
})
