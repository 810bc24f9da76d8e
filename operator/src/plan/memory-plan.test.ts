/** What is done about a MemoryGroup, situation by situation, and what is said of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MemoryGroupStatus } from '../api/memory-group.ts'
import { LABELS } from '../api/names.ts'
import { formatTime } from '../api/time.ts'
import { memoryMarks } from '../specs/memory-objects.ts'
import type { MemoryTier } from '../specs/memory-tier.ts'
import { type Given, listedTier, machinePod, memoryWith, storageWith, tierWith, topologyWith, UID } from './memory-observed.fixture.ts'
import type { ObservedMemoryGroup } from './memory-observed.ts'
import { type MemoryAction, makeMemoryPlan } from './memory-plan.ts'
import { PATIENCE_MS, UNLISTED_MS } from './memory-scaling.ts'
import { NOW_MS } from './observed.fixture.ts'

/** Without what is only compared. */
const acts = (tier: MemoryTier, observed: ObservedMemoryGroup): string[] =>
  makeMemoryPlan(tier, observed).actions.flatMap((action) => wordsOf(action) ?? [])

function wordsOf(action: MemoryAction): string | undefined {
  switch (action.do) {
    case 'apply': {
      const { replicas } = (action.object.spec ?? {}) as { replicas?: number }
      return action.object.kind === 'StatefulSet' ? `make ${action.object.metadata.name} with ${replicas}` : undefined
    }
    case 'limit':
      return action.limit === undefined ? 'limit away' : `limit ${action.limit.groups}x${action.limit.replicas}`
    case 'adjust':
      return `m${action.group} ${action.why}: ${action.replicas} from ${action.partition}`
    case 'mark':
      return `mark m${action.group} ${Object.keys(action.marks)}`
    case 'deletePod':
      return `delete ${action.pod}: ${action.why}`
    case 'removeGroup':
      return `remove m${action.group}`
  }
}

const said = ({ conditions = [] }: MemoryGroupStatus): string =>
  conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`).join(', ')

test('all is well: Running, nothing but what is compared', () => {
  const { actions, status, againAfterMs } = makeMemoryPlan(tierWith(), memoryWith())
  assert.deepEqual(
    actions.map((action) => (action.do === 'apply' ? action.object.kind : action.do)),
    ['ServiceAccount', 'Service', 'PodDisruptionBudget'],
  )
  assert.equal(
    said(status),
    'Accepted=True Valid, Available=True EveryGroupServes, Progressing=False Settled, Degraded=False Healthy, Upgrading=False UpToDate',
  )
  const { phase, topologyEpoch, groups, replicas, ready, readyReplicas, selector } = status
  assert.deepEqual([phase, topologyEpoch, groups, replicas, ready, readyReplicas], ['Running', 7, 1, 2, '2/2', 2])
  // The scale subresource is of one group's machines: so must the pods be that an autoscaler averages over.
  assert.match(selector ?? '', /component=memory,.*instance=cache,thermocline\.dev\/group=0$/)
  assert.deepEqual(status.groupStatuses?.[0]?.machines[1], {
    machine: 1,
    pod: 'cache-m0-1',
    zone: 'z2',
    ready: true,
    listed: true,
    version: '0.1.0',
  })
  assert.equal(againAfterMs, 10_000)
})

test('before the storage tier has begun nothing is made, and that is said', () => {
  const { actions, status } = makeMemoryPlan(tierWith(), memoryWith({ storage: undefined, sets: [] }))
  assert.deepEqual(actions, [])
  assert.equal(status.phase, 'Pending')
  assert.match(said(status), /Available=False StorageNotReady, Progressing=True WaitsForStorage/)
})

test('the first pods; until one is listed it is starting', () => {
  const observed = memoryWith({ sets: [], slots: [2], storage: storageWith({ topology: topologyWith(undefined) }) })
  assert.deepEqual(acts(tierWith(), observed), ['make cache-m0 with 2'])
  const { status } = makeMemoryPlan(tierWith(), observed)
  assert.equal(status.phase, 'Starting')
  assert.match(said(status), /Available=False NotListed, Progressing=True ScalingOut/)
  assert.equal(status.topologyEpoch, undefined)
})

test('groups follow the storage tier when the topology has more of them, or are what the resource says', () => {
  const grown = storageWith({ topology: topologyWith(listedTier([2]), { groups: 3 }) })
  const observed = memoryWith({ sets: [2], slots: [2, 2, 2], storage: grown })
  assert.deepEqual(acts(tierWith(), observed), ['make cache-m1 with 2', 'make cache-m2 with 2'])
  assert.equal(makeMemoryPlan(tierWith(), observed).status.ready, '2/6')
  assert.deepEqual(acts(tierWith({ groups: 2 }), observed), ['make cache-m1 with 2'])
})

for (const spec of [{ trafficPercent: 0 }, { newerThan: '3d' }, { warmUp: { duration: '5m' } }]) {
  test(`no pod is touched for ${JSON.stringify(spec)}: the topology is waited for`, () => {
    const { status } = makeMemoryPlan(tierWith(spec), memoryWith({ status: { topologyEpoch: 5 } }))
    assert.deepEqual(acts(tierWith(spec), memoryWith()), [])
    assert.deepEqual([status.topologyEpoch, said(status).includes('Progressing=True TopologyBehind')], [5, true])
    const there = memoryWith({ storage: storageWith({ topology: topologyWith(listedTier([2], spec)) }) })
    assert.equal(makeMemoryPlan(tierWith(spec), there).status.topologyEpoch, 7)
  })
}

test('more replicas: only their number changes, and the new ones are waited for', () => {
  const observed = memoryWith({ slots: [4] })
  assert.deepEqual(acts(tierWith({ replicas: 4 }), observed), ['m0 scaled out: 4 from 0'])
  const { status } = makeMemoryPlan(tierWith({ replicas: 4 }), observed)
  assert.deepEqual([status.phase, status.ready], ['Scaling', '2/4'])
  assert.match(said(status), /Available=True .*Progressing=True ScalingOut/)
})

// Scaling in, from the wish to its end.

const LIMIT = { uid: UID, groups: 1, replicas: 1 }
const IN = tierWith({ replicas: 1 })
const unlisted = (changes: Parameters<typeof storageWith>[0] = {}): ReturnType<typeof storageWith> =>
  storageWith({ topology: topologyWith(listedTier([1]), { epoch: 8 }), epochs: [8, 8, 8], namedEpoch: 8, limit: LIMIT, ...changes })
const since = (ms: number, unlistedMs?: number): MemoryGroupStatus => ({
  scalingIn: {
    groups: 1,
    replicas: 1,
    startedAt: formatTime(NOW_MS - ms),
    ...(unlistedMs === undefined ? {} : { unlistedAt: formatTime(NOW_MS - unlistedMs) }),
  },
})
const LONG_MS = UNLISTED_MS + 1000

for (const [what, given, wanted, waits] of [
  ['first the limit', {}, ['limit 1x1'], /waits for the limit/],
  [
    'a limit of another kind is replaced',
    { storage: unlisted({ limit: { ...LIMIT, replicas: 3 } }) },
    ['limit 1x1'],
    /waits for the limit/,
  ],
  [
    'then the topology without them',
    { storage: storageWith({ limit: LIMIT }), status: since(PATIENCE_MS * 9, PATIENCE_MS) },
    [],
    /waits for a topology without them/,
  ],
  [
    'then every node',
    { storage: unlisted({ epochs: [8, 7, 8] }), status: since(PATIENCE_MS * 9) },
    [],
    /waits for 1 storage replicas to take epoch 8/,
  ],
  [
    'a silent one, too',
    { storage: unlisted({ epochs: [8, undefined, 8] }), status: since(1000) },
    [],
    /waits for 1 storage replicas to answer/,
  ],
  ['a topology that is on its way', { storage: unlisted({ namedEpoch: 9 }), status: since(1000) }, [], /waits for epoch 9/],
  ['then the requests under way', { storage: unlisted(), status: since(1000) }, [], /waits for requests under way/],
  ['for the whole time', { storage: unlisted(), status: since(9000, UNLISTED_MS) }, [], /waits for requests under way/],
  ['and then they end', { storage: unlisted(), status: since(9000, LONG_MS) }, ['m0 scaled in: 1 from 0'], /ScalingIn|waits/],
  [
    'a silent one is not waited for for ever',
    { storage: unlisted({ epochs: [8, undefined, 8], namedEpoch: 9 }), status: since(PATIENCE_MS, LONG_MS) },
    ['m0 scaled in: 1 from 0'],
    /waits/,
  ],
  [
    'what was waited for another number does not count',
    {
      storage: unlisted(),
      status: { scalingIn: { groups: 1, replicas: 0, startedAt: formatTime(NOW_MS - 9000), unlistedAt: formatTime(NOW_MS - 9000) } },
    },
    [],
    /waits for requests under way/,
  ],
  [
    'nobody answers: nothing ends',
    { storage: unlisted({ topology: undefined }), status: since(PATIENCE_MS * 9, LONG_MS) },
    [],
    /waits for an answer/,
  ],
] as const satisfies readonly (readonly [string, Given, readonly string[], RegExp])[]) {
  test(`scaling in: ${what}`, () => {
    assert.deepEqual(acts(IN, memoryWith(given)), wanted)
    const { status } = makeMemoryPlan(IN, memoryWith(given))
    assert.equal(status.phase, 'Scaling')
    assert.match(status.conditions?.find(({ type }) => type === 'Progressing')?.message ?? '', waits)
  })
}

test('the limit goes when the machines have; while they end it stays', () => {
  const ended = memoryWith({ sets: [1], storage: unlisted() })
  assert.deepEqual(acts(IN, ended), ['limit away'])
  const ending = memoryWith({ sets: [1], slots: [2], storage: unlisted() }, (one) =>
    one.machine === 1 ? { ...one, pod: machinePod(0, 1, { isDeleting: true }) } : one,
  )
  assert.deepEqual(acts(IN, ending), [])
  assert.equal(makeMemoryPlan(IN, ending).status.phase, 'Scaling')
})

test('wanted again before they ended: the limit goes, nothing ends', () => {
  assert.deepEqual(acts(tierWith(), memoryWith({ storage: unlisted(), status: since(9000, LONG_MS) })), ['limit away'])
  assert.deepEqual(acts(tierWith({ replicas: 3 }), memoryWith({ slots: [3], storage: unlisted() })), [
    'm0 scaled out: 3 from 0',
    'limit away',
  ])
})

test('a group too many goes with all that is its own, by the same steps', () => {
  const one = tierWith()
  const limit = { uid: UID, groups: 1, replicas: 2 }
  const storage = storageWith({ topology: topologyWith(listedTier([2]), { epoch: 8 }), epochs: [8, 8, 8], namedEpoch: 8, limit })
  const status = { scalingIn: { groups: 1, replicas: 2, startedAt: formatTime(NOW_MS - 9000), unlistedAt: formatTime(NOW_MS - LONG_MS) } }
  assert.deepEqual(acts(one, memoryWith({ sets: [2, 2] })), ['limit 1x2'])
  assert.deepEqual(acts(one, memoryWith({ sets: [2, 2], storage, status })), ['remove m1'])
  const parts = memoryWith({ sets: [2], slots: [2, 0] }).parts.map((part) => ({ ...part, hasObjects: true }))
  assert.deepEqual(acts(one, { ...memoryWith(), parts }), ['remove m1'])
})

test('zero replicas turn the tier off', () => {
  const off = tierWith({ replicas: 0 })
  assert.deepEqual(acts(off, memoryWith()), ['limit 1x0'])
  const { status } = makeMemoryPlan(off, memoryWith({ sets: [0], storage: storageWith({ topology: topologyWith(undefined) }) }))
  assert.deepEqual([status.phase, status.topologyEpoch, status.ready], ['Off', 7, '0/0'])
  assert.match(said(status), /Available=False Off, Progressing=False Settled, Degraded=False/)
})

test('a change of the pods is applied with the replicas in force, and is told until all pods are of it', () => {
  const next = tierWith({ image: 'thermocline:2' })
  assert.deepEqual(acts(next, memoryWith()), ['make cache-m0 with 2'])
  assert.equal(makeMemoryPlan(next, memoryWith()).status.phase, 'Upgrading')
  // Machines that still have clients are not ended by the way.
  assert.deepEqual(acts(tierWith({ image: 'thermocline:2', replicas: 1 }), memoryWith()), ['make cache-m0 with 2', 'limit 1x1'])
  assert.deepEqual(acts({ ...tierWith(), defaultImage: 'thermocline:2' }, memoryWith()), [])
})

test('a StatefulSet that somebody deleted around its pods is made as large as they are many', () => {
  const orphaned = memoryWith({ sets: [], slots: [3] }, (one) => ({ ...one, pod: machinePod(0, one.machine) }))
  assert.deepEqual(acts(tierWith(), orphaned), ['make cache-m0 with 3'])
  assert.deepEqual(acts(tierWith(), memoryWith({ set: { isDeleting: true } })), [])
})

test('a StatefulSet whose labels were edited, or that was made an orphan, is marked as ours again; its pods stay', () => {
  const { labels } = memoryMarks(tierWith(), 0)
  const edited = { ...labels, [LABELS.component]: 'edited' }
  assert.deepEqual(acts(tierWith(), memoryWith({ set: { labels: edited } })), ['mark m0 labels,ownerReferences'])
  assert.deepEqual(acts(tierWith(), memoryWith({ set: { owner: undefined } })), ['mark m0 labels,ownerReferences'])
  assert.deepEqual(acts(tierWith(), memoryWith({ set: { labels: { ...labels, team: 'theirs' } } })), [])
  assert.deepEqual(acts(tierWith({ replicas: 3 }), memoryWith({ set: { labels: edited } })), [
    'mark m0 labels,ownerReferences',
    'm0 scaled out: 3 from 0',
  ])
})

test('paused: nothing is changed but that a change of the pods stops; then it goes on', () => {
  const paused = tierWith({ paused: true, replicas: 1, image: 'thermocline:2' })
  assert.deepEqual(acts(paused, memoryWith()), ['m0 paused: 2 from 16'])
  assert.deepEqual(acts(paused, memoryWith({ set: { partition: 16 } })), [])
  assert.equal(makeMemoryPlan(paused, memoryWith()).status.phase, 'Paused')
  assert.deepEqual(acts(tierWith(), memoryWith({ set: { partition: 16 } })), ['m0 resumed: 2 from 0'])
})

test('a pod that was to end on a node that is gone is removed, so that another is made; on one that is there it is waited for', () => {
  const endingOn = (node: string) =>
    memoryWith({}, (one) => (one.machine === 1 ? { ...one, pod: machinePod(0, 1, { isDeleting: true, node }) } : one))
  assert.deepEqual(acts(tierWith(), endingOn('n9')), ['delete cache-m0-1: node n9 is gone'])
  assert.deepEqual(acts(tierWith(), endingOn('n2')), [])
  assert.deepEqual(acts(tierWith(), { ...endingOn('n9'), nodes: new Map() }), [])
})

test('a listed machine that is not ready is told; while another serves the group is available', () => {
  const trouble = 'ImagePullBackOff: not found'
  const broken = memoryWith({}, (one) => (one.machine === 1 ? { ...one, pod: machinePod(0, 1, { isReady: false, trouble }) } : one))
  const { status } = makeMemoryPlan(tierWith(), broken)
  assert.equal(status.phase, 'Degraded')
  assert.match(said(status), /Available=True EveryGroupServes, .*Degraded=True MachineMissing/)
  assert.match(
    status.conditions?.find(({ type }) => type === 'Degraded')?.message ?? '',
    /machine 1 of group 0 does not run: ImagePullBackOff/,
  )
  const none = memoryWith({}, (one) => ({ ...one, pod: undefined }))
  assert.match(said(makeMemoryPlan(tierWith(), none).status), /Available=False NoMachineReady/)
})
