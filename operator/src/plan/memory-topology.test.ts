/** Which machines a topology lists, and when it becomes another. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MemoryTopology, parseTopology, type Topology } from '@thermocline/protocol'
import type { MemoryGroupSpec } from '../api/memory-group.ts'
import { listedTier, machinePod, tierWith, topologyWith, UID } from './memory-observed.fixture.ts'
import { planMemoryTopology } from './memory-topology.ts'
import { clusterWith, observedWith } from './observed.fixture.ts'
import type { MemoryLimit, Observed, ObservedPod } from './observed.ts'
import { planTopology } from './topology.ts'

const cluster = clusterWith()

interface Given {
  readonly spec?: Record<string, unknown> | undefined
  /** Paused, or not to be acted upon. */
  readonly isHeld?: boolean
  readonly pods?: readonly ObservedPod[]
  readonly current?: MemoryTopology | undefined
  readonly limit?: MemoryLimit
  readonly storageGroups?: number
}

function situation({ spec = {}, isHeld = false, pods = [], current, limit }: Given): Observed {
  const observed = observedWith({ topology: topologyWith(current) })
  const wanted: MemoryGroupSpec | undefined = isHeld ? undefined : tierWith(spec).spec
  return {
    ...observed,
    bootstrap: { ...(observed.bootstrap as NonNullable<Observed['bootstrap']>), memoryLimit: limit },
    memory: { name: 'cache', uid: UID, spec: wanted, pods: new Map(pods.map((pod) => [pod.name, pod])) },
  }
}

const plan = (given: Given): MemoryTopology | undefined => planMemoryTopology(cluster, situation(given), given.storageGroups ?? 1)
/** Machines listed, by group. */
const listed = (given: Given): string[][] | undefined =>
  plan(given)?.groups.map((machines) => machines.map(({ data }) => data.slice(0, data.indexOf('.'))))
const bothPods = [machinePod(0, 0), machinePod(0, 1)]
const unready = { isReady: false }

test('a machine is listed once it is ready, with its address and zone; before any is there is no tier', () => {
  assert.equal(plan({}), undefined)
  assert.equal(plan({ pods: [machinePod(0, 0, unready)] }), undefined)
  assert.equal(plan({ pods: [machinePod(0, 0, { isDeleting: true })] }), undefined)
  assert.deepEqual(plan({ pods: [machinePod(0, 0, unready), machinePod(0, 1)] }), {
    groups: [
      [
        {
          data: 'cache-m0-1.cache-m0.shop.svc.cluster.local:7400',
          http: 'cache-m0-1.cache-m0.shop.svc.cluster.local:7401',
          zone: 'z2',
        },
      ],
    ],
    newerThanMs: 0,
    ratioPercent: 100,
    warmUpMs: 30_000,
  })
})

test('what the resource says of traffic stands beside the machines', () => {
  const spec = { newerThan: '3d', trafficPercent: 25, warmUp: { duration: '2m' } }
  const { newerThanMs, ratioPercent, warmUpMs } = plan({ pods: bothPods, spec }) as MemoryTopology
  assert.deepEqual([newerThanMs, ratioPercent, warmUpMs], [3 * 86_400_000, 25, 120_000])
})

test('a listed machine stays listed while it is wanted, whatever its pod does, and where it last was', () => {
  const current = listedTier([2])
  assert.deepEqual(plan({ current }), current)
  assert.deepEqual(plan({ current, pods: [machinePod(0, 0, unready), machinePod(0, 1, { isDeleting: true })] }), current)
  const moved = plan({ current, pods: [machinePod(0, 0, { node: 'n3' })] })
  assert.deepEqual(
    moved?.groups[0]?.map(({ zone }) => zone),
    ['z3', 'z2'],
  )
})

for (const [what, given, wanted] of [
  ['fewer replicas: the last leave at once', { spec: { replicas: 1 }, current: listedTier([2]), pods: bothPods }, [['cache-m0-0']]],
  ['no replicas: no tier', { spec: { replicas: 0 }, current: listedTier([2]), pods: bothPods }, undefined],
  [
    'more replicas: each when it is ready',
    { spec: { replicas: 3 }, current: listedTier([2]), pods: bothPods },
    [['cache-m0-0', 'cache-m0-1']],
  ],
  [
    'beyond the limit nothing is listed, though it is wanted again and ready',
    { spec: { replicas: 3 }, limit: { uid: UID, groups: 1, replicas: 1 }, pods: [...bothPods, machinePod(0, 2)], current: listedTier([1]) },
    [['cache-m0-0']],
  ],
  [
    'a limit of another MemoryGroup says nothing',
    { limit: { uid: 'other', groups: 0, replicas: 0 }, current: listedTier([2]) },
    [['cache-m0-0', 'cache-m0-1']],
  ],
  [
    'as many groups as the storage tier, but not before each of the new ones has a machine',
    { storageGroups: 2, current: listedTier([2]), pods: bothPods },
    [['cache-m0-0', 'cache-m0-1']],
  ],
  [
    'groups that have grown',
    { storageGroups: 2, current: listedTier([2]), pods: [...bothPods, machinePod(1, 1)] },
    [['cache-m0-0', 'cache-m0-1'], ['cache-m1-1']],
  ],
  ['at the start groups come as they are', { storageGroups: 2, pods: [machinePod(1, 0)] }, [[], ['cache-m1-0']]],
  ['fewer groups: the last leave at once', { storageGroups: 1, current: listedTier([2, 2]) }, [['cache-m0-0', 'cache-m0-1']]],
  ['groups that the resource says', { spec: { groups: 1 }, storageGroups: 3, pods: bothPods }, [['cache-m0-0', 'cache-m0-1']]],
] as const satisfies readonly (readonly [string, Given, readonly (readonly string[])[] | undefined])[]) {
  test(what, () => assert.deepEqual(listed(given), wanted))
}

test('a resource that is paused, or says what cannot be, changes nothing of it; machines of another that served before go', () => {
  const current = listedTier([2], { trafficPercent: 10 })
  assert.deepEqual(plan({ isHeld: true, current, pods: [...bothPods, machinePod(0, 2)] }), current)
  const others = { ...current, groups: [current.groups[0]?.map((one) => ({ ...one, data: `old-${one.data}` })) ?? []] }
  assert.equal(plan({ isHeld: true, current: others }), undefined)
  assert.deepEqual(listed({ current: others, pods: [machinePod(0, 1)] }), [['cache-m0-1']])
})

test('without a MemoryGroup there is no tier; while they cannot be read the topology keeps what it has', () => {
  const observed = situation({ current: listedTier([2]) })
  assert.equal(planMemoryTopology(cluster, { ...observed, memory: 'none' }, 1), undefined)
  assert.deepEqual(planMemoryTopology(cluster, { ...observed, memory: 'unknown' }, 1), listedTier([2]))
})

test('the whole topology has the tier, is one that nodes take, and gets another epoch only when the tier changes', () => {
  const given = { pods: bothPods }
  const initial = {
    volumes: [[0, 1, 2].map((replica) => ({ number: 0, nonce: `${replica}`.padStart(16, '0') }))],
    sliceDurationMs: 86_400_000,
  }
  const next = (observed: Observed): Topology => planTopology(cluster, observed, initial) as Topology
  const answering = (observed: Observed, topology: Topology): Observed => ({
    ...observed,
    topology,
    groups: observed.groups.map((all) => all.map((one) => ({ ...one, facts: one.facts && { ...one.facts, epoch: topology.epoch } }))),
  })
  const first = next(answering(situation(given), topologyWith(undefined, { epoch: 3 })))
  assert.deepEqual(parseTopology(first), first)
  assert.deepEqual([first.epoch, first.memory?.groups[0]?.length], [4, 2])
  const again = { ...given, current: first.memory }
  assert.equal(next(answering(situation({ ...again, pods: [] }), first)).epoch, 4)
  const changed = next(answering(situation({ ...again, spec: { trafficPercent: 50 } }), first))
  assert.deepEqual([changed.epoch, changed.memory?.ratioPercent], [5, 50])
  const without = next(answering({ ...situation(again), memory: 'none' }, changed))
  assert.deepEqual([without.epoch, without.memory], [6, undefined])
})
