/**
 * All of the runtime together: a toy operator that keeps one ConfigMap for each parent, while requests fail, watches break,
 * the server goes away and people edit. In the end each child is as its parent wants, and then nothing is written any more.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL_FAULTS, idleProcess, NO_FAULTS, SimCluster } from '../../sim/src/mod.ts'
import { Applier } from './apply.ts'
import { RETRY_BACKOFF, WATCH_SILENCE_MS } from './bounds.ts'
import { Informer } from './informer.ts'
import type { KubeObject, Resource } from './ports.ts'
import { atOfKey, keyOf, RESOURCES } from './resources.ts'
import { type Outcome, Workers } from './workers.ts'

const SEEDS = 100
const MINUTE = 60_000
const PARENTS: Resource = { group: 'example.dev', version: 'v1', plural: 'parents', kind: 'Parent', namespaced: true }

function setUp(seed: number) {
  const cluster = new SimCluster({ seed, start: idleProcess })
  const kube = cluster.client(ALL_FAULTS)
  const world = cluster.world(kube)
  const parents = new Informer(world, { resource: PARENTS })
  const children = new Informer(world, { resource: RESOURCES.configMaps, labelSelector: 'parent' })
  let writes = 0
  const applier = new Applier(kube, world.log, () => writes++)
  const reconcile = async (key: string): Promise<Outcome> => {
    if (!parents.hasSynced || !children.hasSynced) return { result: 'again', afterMs: 1000 }
    const at = atOfKey(key)
    const parent = parents.get(at)
    if (parent === undefined) return { result: 'done', changed: false }
    const { changed } = await applier.apply(RESOURCES.configMaps, childOf(parent), children.get(at))
    return { result: 'done', changed }
  }
  const workers = new Workers(world, { name: 'parents', workers: 2, reconcile })
  const add = (key: string): void => workers.add(key)
  parents.subscribe(({ metadata }) => keyOf(metadata), add)
  children.subscribe(({ metadata }) => keyOf({ namespace: metadata.namespace, name: metadata.labels?.parent ?? '' }), add)
  for (const part of [parents, children, workers]) part.start()
  return { cluster, kube, writes: () => writes, parts: [parents, children, workers] }
}

function childOf({ apiVersion, kind, metadata, spec }: KubeObject): KubeObject {
  const { namespace = '', name, uid = '' } = metadata
  const ownerReferences = [{ apiVersion, kind, name, uid, controller: true }]
  const { data } = spec as { data: Record<string, string> }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name, labels: { parent: name }, ownerReferences }, data }
}

/** What people do. */
function disturb({ store, scheduler }: ReturnType<typeof setUp>['cluster']): void {
  const { random } = scheduler
  const at = { namespace: 'default', name: `p${random.below(4)}` }
  const parent = store.get(PARENTS, at)
  const data = { [random.pick(['a', 'b', 'c'])]: random.hex(4) }
  if (parent === undefined) store.create(PARENTS, { apiVersion: 'example.dev/v1', kind: 'Parent', metadata: at, spec: { data } })
  else if (random.chance(0.1)) store.delete(PARENTS, at)
  else if (random.chance(0.5)) store.patch(PARENTS, at, { spec: { data: { a: null, b: null, ...data } } })
  else if (random.chance(0.3)) store.delete(RESOURCES.configMaps, at)
  else if (store.get(RESOURCES.configMaps, at) !== undefined) store.patch(RESOURCES.configMaps, at, { data: { ...data } })
}

test(`a toy operator under all faults ends where it should, and is then quiet: ${SEEDS} seeds`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = setUp(seed)
    const { cluster, kube } = run
    const { scheduler, store } = cluster
    const stop = scheduler.every(4000, () => disturb(cluster))
    scheduler.after(2 * MINUTE, () => cluster.serverAway(MINUTE))
    await cluster.run(5 * MINUTE)
    stop()
    kube.faults = NO_FAULTS
    await cluster.run(WATCH_SILENCE_MS + RETRY_BACKOFF.mostMs + 2 * MINUTE)
    const parents = store.all(PARENTS)
    const children = store.all(RESOURCES.configMaps)
    assert.deepEqual(
      children.map(({ metadata }) => [metadata.name, metadata.ownerReferences?.[0]?.uid]),
      parents.map(({ metadata }) => [metadata.name, metadata.uid]),
      `seed ${seed}`,
    )
    for (const [index, { spec }] of parents.entries()) {
      const wanted = Object.entries((spec as { data: Record<string, string> }).data)
      const { data } = (children[index] ?? {}) as { data?: Record<string, string> }
      for (const [name, value] of wanted) assert.equal(data?.[name], value, `seed ${seed}: ${name}`)
    }
    const [writes, revision] = [run.writes(), store.revision]
    await cluster.run(5 * MINUTE)
    assert.deepEqual([run.writes(), store.revision], [writes, revision], `seed ${seed}: it goes on writing`)
    for (const part of run.parts) void part.stop()
    await cluster.run(MINUTE)
  }
})
