import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import { ALL_FAULTS, isReady, type PodProcess, REVISION_LABEL, SimCluster, type SimVolume, type Start } from './mod.ts'

const MINUTE = 60_000
const LABELS = { app: 'node' }
const NODES = { n1: 'z1', n2: 'z2', n3: 'z3' }

class Recorder implements PodProcess {
  readonly start: Start
  ready = true
  exited = false
  ended: string | undefined

  constructor(start: Start) {
    this.start = start
    const volume = this.volume
    volume?.files.set('boots', Number(volume.files.get('boots') ?? 0) + 1)
  }

  get volume(): SimVolume | undefined {
    return [...this.start.volumes.values()][0]
  }

  isReady(): boolean {
    return this.ready
  }

  hasExited(): boolean {
    return this.exited
  }

  stop(isKilled: boolean): void {
    this.ended = isKilled ? 'killed' : 'stopped'
  }
}

const set = (over: object = {}, image = 'i:1'): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { namespace: 'default', name: 's' },
  spec: {
    replicas: 3,
    serviceName: 's',
    podManagementPolicy: 'Parallel',
    updateStrategy: { type: 'OnDelete' },
    selector: { matchLabels: LABELS },
    template: { metadata: { labels: LABELS }, spec: { containers: [{ name: 'node', image }], terminationGracePeriodSeconds: 10 } },
    volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { resources: { requests: { storage: '1Gi' } } } }],
    ...over,
  },
})

function setUp(seed = 1) {
  const cluster = new SimCluster({ seed, nodes: NODES, start: (start) => new Recorder(start) })
  const { store } = cluster
  const at = (name: string) => ({ namespace: 'default', name })
  return {
    cluster,
    store,
    at,
    pod: (name: string) => store.get(RESOURCES.pods, at(name)),
    process: (name: string) => cluster.processOf(at(name)),
    claims: () => store.all(RESOURCES.persistentVolumeClaims).map(({ metadata }) => metadata.name),
    nodeOf: (name: string) => (store.get(RESOURCES.pods, at(name))?.spec as { nodeName?: string } | undefined)?.nodeName ?? '',
    readyPods: () =>
      store
        .all(RESOURCES.pods)
        .filter(isReady)
        .map(({ metadata }) => metadata.name),
    minutes: (n: number) => cluster.run(n * MINUTE),
  }
}
const ALL = ['s-0', 's-1', 's-2']

test('a StatefulSet becomes pods in all zones, with claims of their own', async () => {
  const { store, claims, minutes, nodeOf, readyPods, pod } = setUp()
  store.apply(RESOURCES.statefulSets, set())
  await minutes(1)
  assert.deepEqual(readyPods(), ALL)
  assert.deepEqual(claims(), ['data-s-0', 'data-s-1', 'data-s-2'])
  assert.equal(new Set(ALL.map(nodeOf)).size, 3)
  const { status, metadata } = store.get(RESOURCES.statefulSets, { namespace: 'default', name: 's' }) ?? set()
  const { readyReplicas, updateRevision, observedGeneration } = status as Record<string, unknown>
  assert.deepEqual([readyReplicas, observedGeneration], [3, metadata.generation])
  assert.equal(pod('s-0')?.metadata.labels?.[REVISION_LABEL], updateRevision)
})

test('a new template changes no pod until it is deleted; its volume stays', async () => {
  const { store, minutes, pod, process, at } = setUp()
  store.apply(RESOURCES.statefulSets, set())
  await minutes(1)
  const [before, first] = [pod('s-0'), process('s-0')]
  store.apply(RESOURCES.statefulSets, set({}, 'i:2'))
  await minutes(1)
  assert.equal(pod('s-0')?.metadata.uid, before?.metadata.uid)
  store.delete(RESOURCES.pods, at('s-0'))
  assert.notEqual(pod('s-0')?.metadata.deletionTimestamp, undefined)
  await minutes(1)
  assert.equal(first?.ended, 'stopped')
  const after = pod('s-0')
  assert.notEqual(after?.metadata.labels?.[REVISION_LABEL], before?.metadata.labels?.[REVISION_LABEL])
  assert.deepEqual([process('s-0')?.volume?.files.get('boots'), process('s-0')?.start.restarts], [2, 0])
  const { currentRevision, updateRevision } = (store.get(RESOURCES.statefulSets, at('s'))?.status ?? {}) as Record<string, string>
  assert.notEqual(currentRevision, updateRevision)
})

test('a rolling update goes from the last to the first, waits for each, and stops at the partition', async () => {
  const { store, minutes, pod, process } = setUp()
  const rolling = (partition: number) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition } } })
  store.apply(RESOURCES.statefulSets, set(rolling(0)))
  await minutes(1)
  const uids = ALL.map((name) => pod(name)?.metadata.uid)
  const isNew = (): boolean[] => ALL.map((name, at) => pod(name)?.metadata.uid !== uids[at])
  store.apply(RESOURCES.statefulSets, set(rolling(1), 'i:2'))
  await minutes(2)
  assert.deepEqual(isNew(), [false, true, true])
  const last = process('s-1')
  if (last !== undefined) last.ready = false
  // Until its kubelet has seen that.
  await minutes(1)
  store.apply(RESOURCES.statefulSets, set(rolling(0), 'i:2'))
  await minutes(2)
  assert.deepEqual(isNew(), [false, true, true])
  if (last !== undefined) last.ready = true
  await minutes(1)
  assert.deepEqual(isNew(), [true, true, true])
})

test('fewer replicas leave claims; a claim goes after its pod, and its data with it', async () => {
  const { store, minutes, claims, readyPods, process, at } = setUp()
  store.apply(RESOURCES.statefulSets, set())
  await minutes(1)
  store.apply(RESOURCES.statefulSets, set({ replicas: 2 }))
  await minutes(1)
  assert.deepEqual(readyPods(), ['s-0', 's-1'])
  assert.equal(claims().length, 3)
  store.delete(RESOURCES.persistentVolumeClaims, at('data-s-1'))
  await minutes(1)
  assert.equal(claims().length, 3)
  store.delete(RESOURCES.pods, at('s-1'))
  await minutes(1)
  assert.deepEqual(readyPods(), ['s-0', 's-1'])
  assert.equal(process('s-1')?.volume?.files.get('boots'), 1)
})

test('an orphaned pod is adopted by a StatefulSet with other claim templates; without orphaning pods go', async () => {
  const { store, minutes, pod, at } = setUp()
  store.apply(RESOURCES.statefulSets, set())
  await minutes(1)
  const uid = pod('s-0')?.metadata.uid
  store.delete(RESOURCES.statefulSets, at('s'), { propagation: 'Orphan' })
  await minutes(1)
  const larger = [{ metadata: { name: 'data' }, spec: { resources: { requests: { storage: '2Gi' } } } }]
  const next = store.apply(RESOURCES.statefulSets, set({ volumeClaimTemplates: larger }))
  await minutes(1)
  assert.equal(pod('s-0')?.metadata.uid, uid)
  assert.equal(pod('s-0')?.metadata.ownerReferences?.[0]?.uid, next.metadata.uid)
  store.delete(RESOURCES.statefulSets, at('s'))
  await minutes(1)
  assert.equal(pod('s-0'), undefined)
})

test('a lost node: not ready, then terminating for ever; removed by force the pod waits for its volume', async () => {
  const { cluster, store, minutes, pod, process, nodeOf, at, readyPods } = setUp()
  store.apply(RESOURCES.statefulSets, set())
  await minutes(1)
  const [node, first] = [nodeOf('s-1'), process('s-1')]
  cluster.loseNode(node)
  assert.equal(process('s-1'), undefined)
  assert.equal(first?.ended, 'killed')
  await minutes(1)
  assert.deepEqual(readyPods(), ['s-0', 's-2'])
  assert.equal(pod('s-1')?.metadata.deletionTimestamp, undefined)
  await minutes(10)
  assert.notEqual(pod('s-1')?.metadata.deletionTimestamp, undefined)
  store.delete(RESOURCES.pods, at('s-1'), { gracePeriodSeconds: 0 })
  await minutes(5)
  assert.equal(nodeOf('s-1'), '')
  // Without its claim it starts elsewhere, empty.
  store.delete(RESOURCES.persistentVolumeClaims, at('data-s-1'))
  store.delete(RESOURCES.pods, at('s-1'))
  await minutes(1)
  assert.deepEqual(readyPods(), ALL)
  assert.notEqual(nodeOf('s-1'), node)
  assert.equal(process('s-1')?.volume?.files.get('boots'), 1)
})

test('a node that returns starts its pods again; one that is deleted takes them with it', async () => {
  const { cluster, store, minutes, pod, process, nodeOf, readyPods } = setUp()
  store.apply(RESOURCES.statefulSets, set())
  await minutes(1)
  const uid = pod('s-1')?.metadata.uid
  cluster.loseNode(nodeOf('s-1'))
  await minutes(2)
  cluster.restoreNode(nodeOf('s-1'))
  await minutes(1)
  assert.deepEqual(readyPods(), ALL)
  assert.deepEqual([pod('s-1')?.metadata.uid, process('s-1')?.start.restarts], [uid, 1])
  cluster.kubelets.areVolumesLocal = false
  cluster.loseNode(nodeOf('s-2'))
  cluster.fleet.remove(nodeOf('s-2'))
  await minutes(2)
  assert.notEqual(pod('s-2')?.metadata.uid, undefined)
  assert.equal(nodeOf('s-2'), '')
})

test('on an isolated node processes go on; those whose pod was removed end when it is back', async () => {
  const { cluster, store, minutes, pod, process, nodeOf, at } = setUp()
  store.apply(RESOURCES.statefulSets, set())
  await minutes(1)
  const [node, old, kept] = [nodeOf('s-1'), process('s-1'), process('s-0')]
  cluster.isolateNode(node)
  await minutes(2)
  assert.deepEqual([process('s-1'), old?.ended], [undefined, undefined])
  store.delete(RESOURCES.pods, at('s-1'), { gracePeriodSeconds: 0 })
  await minutes(2)
  assert.deepEqual([old?.ended, nodeOf('s-1')], [undefined, ''])
  cluster.restoreNode(node)
  await minutes(1)
  assert.deepEqual([old?.ended, process('s-0'), isReady(pod('s-1') ?? set())], ['killed', kept, true])
})

test('a container that exits is restarted; one that is not ready makes its pod so; a broken image never starts', async () => {
  const { cluster, store, minutes, pod, process, at, readyPods } = setUp()
  store.apply(RESOURCES.statefulSets, set())
  await minutes(1)
  Object.assign(process('s-0') ?? {}, { exited: true })
  Object.assign(process('s-1') ?? {}, { ready: false })
  await minutes(1)
  assert.deepEqual(readyPods(), ['s-0', 's-2'])
  assert.equal(process('s-0')?.start.restarts, 1)
  cluster.kubelets.brokenImages.add('i:bad')
  store.apply(RESOURCES.statefulSets, set({}, 'i:bad'))
  store.delete(RESOURCES.pods, at('s-2'))
  await minutes(2)
  assert.match(JSON.stringify(pod('s-2')?.status), /"waiting":\{"reason":"ImagePullBackOff"\}/)
})

test('an eviction is refused while the budget has no room', async () => {
  const { cluster, store, minutes, process, at } = setUp()
  store.apply(RESOURCES.statefulSets, set())
  const spec = { maxUnavailable: 1, selector: { matchLabels: LABELS } }
  store.apply(RESOURCES.podDisruptionBudgets, { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: at('b'), spec })
  await minutes(1)
  const kube = cluster.client()
  const evict = async (name: string): Promise<string> => {
    const eviction = kube.evict(at(name))
    await cluster.run(100)
    return eviction
  }
  Object.assign(process('s-0') ?? {}, { ready: false })
  await minutes(1)
  assert.deepEqual([await evict('s-1'), await evict('s-0'), await evict('absent')], ['refused', 'evicted', 'absent'])
})

test('a claim that asks for more gets it', async () => {
  const { store, minutes, at } = setUp()
  store.apply(RESOURCES.statefulSets, set())
  await minutes(1)
  store.patch(RESOURCES.persistentVolumeClaims, at('data-s-0'), { spec: { resources: { requests: { storage: '5Gi' } } } })
  await minutes(1)
  const status = store.get(RESOURCES.persistentVolumeClaims, at('data-s-0'))?.status
  assert.deepEqual(status, { phase: 'Bound', capacity: { storage: '5Gi' } })
})

test('one seed, one run: the same history, with faults and without', async () => {
  const run = async (seed: number): Promise<string> => {
    const { cluster, store, minutes, at } = setUp(seed)
    const history: string[] = []
    store.listen(({ revision, resource, after }) =>
      history.push(`${cluster.scheduler.nowMs} ${revision} ${resource} ${after?.metadata.uid}`),
    )
    const kube = cluster.client(ALL_FAULTS)
    store.apply(RESOURCES.statefulSets, set())
    for (let i = 0; i < 20; i++) {
      const write = kube.patch(RESOURCES.statefulSets, at('s'), { metadata: { labels: { n: String(i) } } })
      write.catch(() => history.push('failed'))
      await minutes(0.2)
    }
    return history.join('\n')
  }
  const [a, b, c] = [await run(5), await run(5), await run(6)]
  assert.equal(a, b)
  assert.notEqual(a, c)
})
