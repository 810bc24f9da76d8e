import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KubeError } from '../../src/runtime/kube-error.ts'
import type { KubeObject, Resource, WatchEvent } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import { idleProcess, SimCluster } from './mod.ts'
import { matchesSelector, matchesText } from './selector.ts'

const AT = { namespace: 'default', name: 'o' }
const GROUPS: Resource = { group: 'thermocline.dev', version: 'v1alpha1', plural: 'paxosgroups', kind: 'PaxosGroup', namespaced: true }
const group = (fields: object, metadata: object = {}): KubeObject => ({
  apiVersion: 'thermocline.dev/v1alpha1',
  kind: 'PaxosGroup',
  metadata: { ...AT, ...metadata },
  ...fields,
})
const cluster = () => new SimCluster({ seed: 1, start: idleProcess })

function refused(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof KubeError, String(error))
    return `${error.status} ${error.reason}`
  }
  return 'done'
}

test('versions grow, a change of the spec is a generation, a write of the same is nothing', () => {
  const { store } = cluster()
  const made = store.create(GROUPS, group({ spec: { groups: 1 }, status: { dropped: true } }))
  assert.deepEqual([made.metadata.generation, made.status], [1, undefined])
  const label = store.patch(GROUPS, AT, { metadata: { labels: { a: 'b' } } })
  assert.equal(label.metadata.generation, 1)
  const grown = store.patch(GROUPS, AT, { spec: { groups: 2 }, status: { ignored: true } })
  assert.deepEqual([grown.metadata.generation, grown.status], [2, undefined])
  const said = store.patch(GROUPS, AT, { status: { voters: 3 }, spec: { groups: 9 } }, 'status')
  assert.deepEqual([said.metadata.generation, said.status, said.spec], [2, { voters: 3 }, { groups: 2 }])
  assert.ok(Number(said.metadata.resourceVersion) > Number(grown.metadata.resourceVersion))
  assert.equal(store.patch(GROUPS, AT, { spec: { groups: 2 } }), said)
  assert.throws(() => Object.assign(said.spec as object, { groups: 3 }), TypeError)
})

test('preconditions are kept', () => {
  const { store } = cluster()
  const { uid = '', resourceVersion = '' } = store.create(GROUPS, group({ spec: {} })).metadata
  assert.equal(
    refused(() => store.create(GROUPS, group({ spec: {} }))),
    '409 AlreadyExists',
  )
  store.patch(GROUPS, AT, { spec: { a: 1 } })
  const stale = { metadata: { resourceVersion }, spec: { a: 2 } }
  assert.equal(
    refused(() => store.patch(GROUPS, AT, stale)),
    '409 Conflict',
  )
  assert.equal(
    refused(() => store.apply(GROUPS, group({ spec: { a: 2 } }, { resourceVersion }))),
    '409 Conflict',
  )
  assert.equal(
    refused(() => store.delete(GROUPS, AT, { uid: 'another' })),
    '409 Conflict',
  )
  assert.equal(
    refused(() => store.create(GROUPS, group({}, { namespace: 'nowhere' }))),
    '404 NotFound',
  )
  assert.equal(store.delete(GROUPS, AT, { uid }), true)
  assert.equal(store.delete(GROUPS, AT), false)
})

test('apply sets what it names, removes what it named before, and leaves the rest', () => {
  const { store } = cluster()
  const pod = (containers: object[], labels: Record<string, string>): KubeObject => ({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { ...AT, labels },
    spec: { template: { spec: { containers } } },
  })
  store.apply(RESOURCES.statefulSets, pod([{ name: 'node', image: '1', env: [{ name: 'A', value: '1' }] }], { ours: 'x', old: 'y' }))
  const theirs = [
    { name: 'node', image: '1', tty: true, env: [{ name: 'A', value: '1' }] },
    { name: 'sidecar', image: 's' },
  ]
  store.patch(RESOURCES.statefulSets, AT, { metadata: { labels: { theirs: 'z' } }, spec: { template: { spec: { containers: theirs } } } })
  const after = store.apply(RESOURCES.statefulSets, pod([{ name: 'node', image: '2', env: [{ name: 'B', value: '2' }] }], { ours: 'x' }))
  assert.deepEqual(after.metadata.labels, { ours: 'x', theirs: 'z' })
  assert.deepEqual((after.spec as { template: { spec: { containers: object[] } } }).template.spec.containers, [
    { name: 'node', image: '2', tty: true, env: [{ name: 'B', value: '2' }] },
    { name: 'sidecar', image: 's' },
  ])
  const status = store.apply(GROUPS, group({ spec: {} })) && store.apply(GROUPS, group({ status: { a: 1, b: 2 } }), 'status')
  assert.deepEqual(status.status, { a: 1, b: 2 })
  assert.deepEqual(store.apply(GROUPS, group({ status: { a: 1 } }), 'status').status, { a: 1 })
  assert.deepEqual(store.apply(GROUPS, group({ spec: { x: 1 } })).status, { a: 1 })
})

test('what may not be changed is refused', () => {
  const { store } = cluster()
  const set = (spec: object): KubeObject => ({ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: AT, spec })
  store.apply(
    RESOURCES.statefulSets,
    set({ replicas: 1, serviceName: 'a', volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { size: 1 } }] }),
  )
  store.patch(RESOURCES.statefulSets, AT, { spec: { replicas: 3 } })
  assert.equal(
    refused(() => store.patch(RESOURCES.statefulSets, AT, { spec: { volumeClaimTemplates: [] } })),
    '422 Invalid',
  )
})

test('an object with a finalizer goes when the last one does', () => {
  const { store } = cluster()
  store.create(GROUPS, group({ spec: {} }, { finalizers: ['a', 'b'] }))
  assert.equal(store.delete(GROUPS, AT), true)
  assert.notEqual(store.get(GROUPS, AT)?.metadata.deletionTimestamp, undefined)
  store.patch(GROUPS, AT, { metadata: { finalizers: ['b'] } })
  assert.notEqual(store.get(GROUPS, AT), undefined)
  store.patch(GROUPS, AT, { metadata: { finalizers: null } })
  assert.equal(store.get(GROUPS, AT), undefined)
})

test('dependents go with their last owner, stay when orphaned; a namespace takes all with it', async () => {
  const { store, run } = bound(cluster())
  const dependent = (name: string, uid: string | undefined): KubeObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: 'default', name, ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'o', uid: uid ?? '' }] },
  })
  const names = (): string[] => store.all(RESOURCES.configMaps).map(({ metadata }) => metadata.name)
  const first = store.create(GROUPS, group({ spec: {} }))
  store.create(RESOURCES.configMaps, dependent('a', first.metadata.uid))
  await run(5000)
  assert.deepEqual(names(), ['a'])
  store.delete(GROUPS, AT)
  await run(5000)
  assert.deepEqual(names(), [])
  const second = store.create(GROUPS, group({ spec: {} }))
  store.create(RESOURCES.configMaps, dependent('b', second.metadata.uid))
  store.delete(GROUPS, AT, { propagation: 'Orphan' })
  await run(5000)
  assert.deepEqual(names(), ['b'])
  store.create(GROUPS, group({ spec: {} }, { finalizers: ['thermocline.dev/volumes'] }))
  store.delete(RESOURCES.namespaces, { name: 'default' })
  assert.equal(
    refused(() => store.create(RESOURCES.configMaps, dependent('c', 'u'))),
    '403 Forbidden',
  )
  await run(5000)
  assert.deepEqual(names(), [])
  assert.notEqual(store.get(RESOURCES.namespaces, { name: 'default' }), undefined)
  store.patch(GROUPS, AT, { metadata: { finalizers: [] } })
  await run(5000)
  assert.equal(store.get(RESOURCES.namespaces, { name: 'default' }), undefined)
})

test('a watch sees each change of its scope in order, across what it missed; compacted versions are gone', async () => {
  const sim = cluster()
  const { store, run } = bound(sim)
  const kube = sim.client()
  const from = String(store.revision)
  const make = (name: string, app: string) =>
    store.create(RESOURCES.configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...AT, name, labels: { app } } })
  make('a', 'x')
  make('b', 'y')
  const seen: string[] = []
  const stop = new AbortController()
  const watch = (resourceVersion: string): Promise<unknown> =>
    kube
      .watch(
        RESOURCES.configMaps,
        { labelSelector: 'app=x', resourceVersion, timeoutSeconds: 300, signal: stop.signal },
        (event: WatchEvent) => seen.push(event.type === 'BOOKMARK' ? 'BOOKMARK' : `${event.type} ${event.object.metadata.name}`),
      )
      .then(
        () => 'ended',
        (error: unknown) => (error as KubeError).status,
      )
  const first = watch(from)
  await run(1000)
  store.patch(RESOURCES.configMaps, { ...AT, name: 'b' }, { metadata: { labels: { app: 'x' } } })
  store.patch(RESOURCES.configMaps, { ...AT, name: 'b' }, { data: { n: '1' } })
  store.patch(RESOURCES.configMaps, { ...AT, name: 'a' }, { metadata: { labels: { app: 'y' } } })
  store.delete(RESOURCES.configMaps, { ...AT, name: 'b' })
  await run(90_000)
  assert.deepEqual(seen, ['ADDED a', 'ADDED b', 'MODIFIED b', 'DELETED a', 'DELETED b', 'BOOKMARK'])
  stop.abort()
  assert.equal(await first, 'ended')
  const before = String(store.revision - 1)
  store.compact()
  const late = new AbortController()
  const options = { resourceVersion: before, timeoutSeconds: 1, signal: late.signal }
  const second = kube
    .watch(RESOURCES.configMaps, options, () => {})
    .then(
      () => 0,
      (error: unknown) => (error as KubeError).status,
    )
  await run(1000)
  assert.equal(await second, 410)
})

test('label selectors', () => {
  const labels = { a: '1', b: 'x' }
  for (const selector of ['a=1', 'a==1,b', 'b in (x, y),!c', 'c!=1', 'b notin (z)', '']) assert.ok(matchesText(selector, labels), selector)
  for (const selector of ['a=2', '!a', 'c', 'b in (y)', 'a=1,b=y', 'b notin (x)']) assert.ok(!matchesText(selector, labels), selector)
  const expressions = [{ key: 'b', operator: 'In', values: ['x'] } as const, { key: 'c', operator: 'DoesNotExist' } as const]
  assert.ok(matchesSelector({ matchLabels: { a: '1' }, matchExpressions: expressions }, labels))
  assert.ok(!matchesSelector({ matchExpressions: [{ key: 'b', operator: 'NotIn', values: ['x'] }] }, labels))
})

function bound(sim: ReturnType<typeof cluster>) {
  return { store: sim.store, run: (ms: number) => sim.run(ms) }
}
