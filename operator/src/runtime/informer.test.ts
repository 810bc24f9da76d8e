/** The informer against the simulated server: whatever goes wrong, its cache becomes the server's truth, and no key is missed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL_FAULTS, FAULTS, type Faults, idleProcess, NO_FAULTS, SimCluster } from '../../sim/src/mod.ts'
import { WATCH_BACKOFF, WATCH_SILENCE_MS } from './bounds.ts'
import { Informer } from './informer.ts'
import { KubeError } from './kube-error.ts'
import type { Kube, KubeObject, WatchEvent } from './ports.ts'
import { keyOf, RESOURCES } from './resources.ts'

const SEEDS = 100
const MINUTE = 60_000
const SELECTOR = 'app=x'
const AT_REST = { latencyMs: [1, 20], watchDelayMs: [1, 20] } as const

interface Run {
  readonly cluster: SimCluster<ReturnType<typeof idleProcess>>
  readonly informer: Informer
  readonly kube: ReturnType<SimCluster<ReturnType<typeof idleProcess>>['client']>
  /** What a reader of the cache who looks at told keys only would know. */
  readonly known: Map<string, string | undefined>
}

function setUp(seed: number, faults: Partial<Faults>): Run {
  const cluster = new SimCluster({ seed, start: idleProcess })
  cluster.stop()
  const kube = cluster.client(faults)
  const informer = new Informer(cluster.world(kube), { resource: RESOURCES.configMaps, namespace: 'default', labelSelector: SELECTOR })
  const known = new Map<string, string | undefined>()
  informer.subscribe(
    ({ metadata }) => keyOf(metadata),
    (key) => {
      const [namespace = '', name = ''] = key.split('/')
      known.set(key, informer.get({ namespace, name })?.metadata.resourceVersion)
    },
  )
  return { cluster, informer, kube, known }
}

/** One change of a ConfigMap: made, changed, deleted, moved in or out of the selector. */
function writeSomething({ cluster }: Run): void {
  const { store, scheduler } = cluster
  const { random } = scheduler
  const at = { namespace: 'default', name: `c${random.below(8)}` }
  const current = store.get(RESOURCES.configMaps, at)
  if (current === undefined) {
    const labels = { app: random.chance(0.8) ? 'x' : 'y' }
    store.create(RESOURCES.configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...at, labels }, data: { n: random.hex(4) } })
  } else if (random.chance(0.3)) store.delete(RESOURCES.configMaps, at)
  else if (random.chance(0.2)) store.patch(RESOURCES.configMaps, at, { metadata: { labels: { app: random.pick(['x', 'y']) } } })
  else store.patch(RESOURCES.configMaps, at, { data: { n: random.hex(4) } })
}

const versionsOf = (objects: readonly KubeObject[]): Record<string, string | undefined> =>
  Object.fromEntries(objects.map(({ metadata }) => [keyOf(metadata), metadata.resourceVersion]))

/** Writes at random for a while, compacting now and then, under faults. */
async function churn(run: Run, forMs: number): Promise<void> {
  const { cluster } = run
  const { scheduler, store } = cluster
  const stops = [
    scheduler.every(1500, () => writeSomething(run)),
    scheduler.every(20_000, () => store.compact(store.revision - scheduler.random.below(20))),
  ]
  await cluster.run(forMs)
  for (const stop of stops) stop()
}

function assertTruth({ cluster, informer, known }: Run, seed: number): void {
  const truth = versionsOf(cluster.store.all(RESOURCES.configMaps, { namespace: 'default', labelSelector: SELECTOR }))
  assert.deepEqual(versionsOf(informer.all()), truth, `seed ${seed}: the cache is not the truth`)
  const told = Object.fromEntries([...known].filter(([, version]) => version !== undefined))
  assert.deepEqual(told, truth, `seed ${seed}: handlers were not told everything`)
}

for (const [name, fault] of [...Object.entries<Partial<Faults>>(FAULTS), ['everything', ALL_FAULTS] as const]) {
  test(`the cache becomes the truth and every key is told: ${name}, ${SEEDS} seeds`, async () => {
    let restarts = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const run = setUp(seed, fault)
      run.informer.start()
      await churn(run, 2 * MINUTE)
      // A silent watch is found when it has been silent for long enough; the last fault may be a failure at the longest back-off.
      run.kube.faults = { ...NO_FAULTS, ...AT_REST }
      await run.cluster.run(WATCH_SILENCE_MS + 2 * WATCH_BACKOFF.mostMs + MINUTE)
      assert.equal(run.informer.hasSynced, true, `seed ${seed}`)
      assertTruth(run, seed)
      restarts += run.informer.restarts
      let isStopped = false
      void run.informer.stop().then(() => {
        isStopped = true
      })
      await run.cluster.run(MINUTE)
      assert.ok(isStopped, `seed ${seed}: stop did not end`)
    }
    if (name === 'none') assert.equal(restarts, 0)
    else if (!['slow', 'late events', 'conflicts', 'stale lists'].includes(name)) assert.ok(restarts > SEEDS / 4, `${restarts} restarts`)
  })
}

test('a server that is away for minutes, before the first list and after', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = setUp(seed, {})
    run.cluster.serverAway(5 * MINUTE)
    run.informer.start()
    await churn(run, 5 * MINUTE)
    assert.equal(run.informer.hasSynced, false)
    await churn(run, MINUTE)
    assert.equal(run.informer.hasSynced, true, `seed ${seed}`)
    run.cluster.serverAway(10 * MINUTE)
    await churn(run, 10 * MINUTE)
    run.cluster.store.compact()
    await run.cluster.run(2 * MINUTE)
    assertTruth(run, seed)
    // It asked again and again, not all the time.
    assert.ok(run.kube.requests < 120, `seed ${seed}: ${run.kube.requests} requests`)
  }
})

test('a peaceful watch goes on for hours without a list, and costs little', async () => {
  const run = setUp(1, {})
  run.informer.start()
  await churn(run, MINUTE)
  const { requests } = run.kube
  await run.cluster.run(120 * MINUTE)
  assert.equal(run.informer.restarts, 0)
  assert.ok(run.kube.requests - requests <= 24, `${run.kube.requests - requests} requests`)
})

test('a change of the label that names the owner tells both owners; resync tells all', async () => {
  const { cluster, kube } = setUp(1, {})
  const informer = new Informer(cluster.world(kube), { resource: RESOURCES.configMaps, resyncMs: 10 * MINUTE })
  const keys: string[] = []
  informer.subscribe(
    ({ metadata }) => metadata.labels?.owner,
    (key) => keys.push(key),
  )
  informer.start()
  const at = { namespace: 'default', name: 'c' }
  cluster.store.create(RESOURCES.configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...at, labels: { owner: 'a' } } })
  await cluster.run(1000)
  cluster.store.patch(RESOURCES.configMaps, at, { metadata: { labels: { owner: 'b' } } })
  await cluster.run(1000)
  assert.deepEqual(keys, ['a', 'a', 'b'])
  await cluster.run(12 * MINUTE)
  assert.deepEqual(keys, ['a', 'a', 'b', 'b'])
  await informer.stop()
})

test('waits grow, keep to Retry-After, and 410 lists at once; a watch that was given up is not listened to', async () => {
  const { cluster } = setUp(1, {})
  const asked: [string, number][] = []
  const listAnswers: (number | undefined)[] = [500, 500, 500, 429, undefined, undefined]
  const watchAnswers: (number | undefined)[] = [410, undefined]
  let onOldEvent: (event: WatchEvent) => void = () => {}
  const answer = (verb: string, status: number | undefined): void => {
    asked.push([verb, Math.round(cluster.scheduler.nowMs / 1000)])
    if (status === undefined) return
    const retryAfterMs = status === 429 ? 90_000 : undefined
    throw new KubeError({ verb, resource: 'configmaps' }, { status, reason: 'x', message: 'y', retryAfterMs })
  }
  const kube = {
    list: async () => {
      answer('list', listAnswers.shift())
      return { items: [], resourceVersion: '1' }
    },
    watch: async (_: unknown, { signal }: { signal: AbortSignal }, onEvent: (event: WatchEvent) => void) => {
      answer('watch', watchAnswers.shift())
      onOldEvent = onEvent
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  }
  const world = { ...cluster.world(), random: () => 0, kube: { ...cluster.client(), ...kube } as unknown as Kube }
  const informer = new Informer(world, { resource: RESOURCES.configMaps })
  informer.start()
  await cluster.run(2 * MINUTE)
  assert.deepEqual(asked, [
    ['list', 0],
    ['list', 1],
    ['list', 2],
    ['list', 4],
    ['list', 94],
    ['watch', 94],
    ['list', 102],
    ['watch', 102],
  ])
  void informer.stop()
  await cluster.run(1000)
  onOldEvent({ type: 'ADDED', object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'late', resourceVersion: '9' } } })
  assert.deepEqual(informer.all(), [])
})
