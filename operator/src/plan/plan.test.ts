import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Topology } from '@thermocline/protocol'
import { specHashOf, templateHashOf } from '../specs/stateful-set.ts'
import { CLUSTER_ID, clusterWith, factsOf, nonceOf, observedWith } from './observed.fixture.ts'
import type { Initial, Observed } from './observed.ts'
import { type Action, makePlan } from './plan.ts'
import { planTopology } from './topology.ts'

const TOKEN = 'token'

/** All is well, and the operator knows it: StatefulSets and topology are what the resource says. */
function settled(spec: Record<string, unknown> = {}): { cluster: ReturnType<typeof clusterWith>; observed: Observed } {
  const cluster = clusterWith(spec)
  const templateHash = templateHashOf(cluster)
  const first = observedWith({}, (one) => ({ ...one, pod: one.pod === undefined ? undefined : { ...one.pod, templateHash } }))
  const unnamed = {
    ...first,
    groups: first.groups.map((all) => all.map((one) => ({ ...one, facts: factsOf(0, one.replica, { epoch: 0 }) }))),
  }
  const topology = { ...planTopology(cluster, unnamed, first.bootstrap?.initial as Initial), epoch: 1 } as Topology
  const statefulSets = first.statefulSets.map((set) =>
    set === undefined ? undefined : { ...set, templateHash, specHash: specHashOf(cluster) },
  )
  return { cluster, observed: { ...first, topology, statefulSets } }
}

const kinds = (actions: readonly Action[]): string[] => actions.map((action) => (action.do === 'apply' ? action.object.kind : action.do))

test('all is well: Running, available, nothing but what is compared', () => {
  const { cluster, observed } = settled()
  const { actions, status } = makePlan(cluster, observed, TOKEN)
  assert.deepEqual(kinds(actions), ['ServiceAccount', 'Secret', 'Service', 'Service', 'PodDisruptionBudget'])
  assert.equal(status.phase, 'Running')
  assert.deepEqual(
    status.conditions?.map(({ type, status: is }) => `${type}=${is}`),
    ['Accepted=True', 'Available=True', 'Progressing=False', 'Degraded=False', 'Upgrading=False'],
  )
  assert.deepEqual([status.ready, status.votersSummary, status.topologyEpoch, status.groups], ['3/3', '3/3', 1, 1])
})

test('a newer operator with another image changes nothing of a resource that names none', () => {
  const { cluster, observed } = settled()
  const { actions } = makePlan({ ...cluster, defaultImage: 'thermocline:2' }, observed, TOKEN)
  assert.equal(kinds(actions).includes('StatefulSet'), false)
  assert.equal(kinds(actions).includes('restartPod'), false)
})

test('a StatefulSet that somebody deleted is made anew by a newer operator, and no pod is restarted', () => {
  const { cluster, observed } = settled()
  const { actions } = makePlan({ ...cluster, defaultImage: 'thermocline:2' }, { ...observed, statefulSets: [undefined] }, TOKEN)
  assert.deepEqual(
    kinds(actions).filter((kind) => kind === 'StatefulSet' || kind === 'restartPod'),
    ['StatefulSet'],
  )
})

test('a new image of the resource changes the StatefulSet and restarts one pod', () => {
  const { observed } = settled()
  const { actions, status } = makePlan(clusterWith({ image: 'thermocline:2' }), observed, TOKEN)
  assert.deepEqual(
    kinds(actions).filter((kind) => kind === 'StatefulSet' || kind === 'restartPod'),
    ['StatefulSet', 'restartPod'],
  )
  assert.equal(status.phase, 'Upgrading')
})

test('fresh volumes are named together, once, and nothing is named before', () => {
  const cluster = clusterWith()
  const fresh = observedWith({ bootstrap: { resourceVersion: '3', clusterId: CLUSTER_ID, initial: undefined, epoch: 0 } }, (one) => ({
    ...one,
    facts: factsOf(0, one.replica, { state: 'joining', standing: 'fresh', mode: 'Unknown', epoch: 0 }),
  }))
  const { actions, status } = makePlan(cluster, fresh, TOKEN)
  assert.equal(kinds(actions).includes('putTopology'), false)
  const fill = actions.find((action) => action.do === 'fillSlots')
  assert.deepEqual(fill?.do === 'fillSlots' ? fill.initial.volumes : undefined, [
    [0, 1, 2].map((replica) => ({ number: 0, nonce: nonceOf(0, replica) })),
  ])
  assert.equal(fill?.do === 'fillSlots' ? fill.resourceVersion : undefined, '3')
  assert.equal(status.phase, 'Bootstrapping')
  assert.equal(status.conditions?.find(({ type }) => type === 'Available')?.status, 'False')
})

test('while one is missing nothing is named, and who is missing is said', () => {
  const unnamed = observedWith({ bootstrap: { resourceVersion: '3', clusterId: CLUSTER_ID, initial: undefined, epoch: 0 } }, (one) => ({
    ...one,
    facts: one.replica === 1 ? undefined : factsOf(0, one.replica, { state: 'joining', standing: 'fresh', mode: 'Unknown', epoch: 0 }),
  }))
  const { actions, status } = makePlan(clusterWith(), unnamed, TOKEN)
  assert.equal(kinds(actions).includes('fillSlots'), false)
  assert.match(status.conditions?.find(({ type }) => type === 'Progressing')?.message ?? '', /waiting for g0-1 to answer/)
})

test('volumes that were in use are never taken for fresh ones', () => {
  const used = observedWith({ bootstrap: { resourceVersion: '3', clusterId: CLUSTER_ID, initial: undefined, epoch: 0 } })
  const { actions, status } = makePlan(clusterWith(), used, TOKEN)
  assert.equal(kinds(actions).includes('fillSlots'), false)
  assert.equal(status.conditions?.find(({ type }) => type === 'Degraded')?.reason, 'NeedsOperator')
})

test('an epoch that was ever named is not used again with other content', () => {
  const { cluster, observed } = settled()
  const moved: Observed = {
    ...observed,
    status: { topologyEpoch: 4 },
    nodes: new Map([['n1', { isReady: true, isUnschedulable: false, zone: 'elsewhere' }]]),
  }
  const { actions, status } = makePlan(cluster, moved, TOKEN)
  assert.equal(status.topologyEpoch, 5)
  assert.deepEqual(
    actions.flatMap((action) => (action.do === 'putTopology' ? [action.topology.epoch] : [])),
    [5, 5, 5],
  )
})

test('a majority that does not answer is never called available', () => {
  const { cluster, observed } = settled()
  const silent = (isReady: boolean): Observed => ({
    ...observed,
    groups: observed.groups.map((all) =>
      all.map((one) => (one.replica === 0 || one.pod === undefined ? one : { ...one, facts: undefined, pod: { ...one.pod, isReady } })),
    ),
  })
  const available = (which: Observed): string | undefined =>
    makePlan(cluster, which, TOKEN).status.conditions?.find(({ type }) => type === 'Available')?.status
  assert.equal(available(silent(true)), 'Unknown')
  assert.equal(available(silent(false)), 'False')
})

test('more groups are refused in words, and what runs goes on', () => {
  const { observed } = settled()
  const { actions, status } = makePlan(clusterWith({ groups: 4 }), observed, TOKEN)
  const accepted = status.conditions?.find(({ type }) => type === 'Accepted')
  assert.equal(accepted?.reason, 'GrowthNotSupported')
  assert.match(accepted?.message ?? '', /spec\.groups: the cluster has 1, 4 are wanted/)
  assert.equal(status.conditions?.find(({ type }) => type === 'Available')?.status, 'True')
  assert.deepEqual(kinds(actions), ['ServiceAccount', 'Secret', 'Service', 'Service', 'PodDisruptionBudget'])
})

test('a refused change holds up no other: the image is rolled out, with as many replicas as there are', () => {
  const { observed } = settled()
  const { actions, status } = makePlan(clusterWith({ replicas: 5, groups: 2, image: 'thermocline:2' }), observed, TOKEN)
  const set = actions.find((action) => action.do === 'apply' && action.object.kind === 'StatefulSet')
  assert.equal(set?.do === 'apply' ? (set.object.spec as { replicas: number }).replicas : undefined, 3)
  assert.equal(kinds(actions).filter((kind) => kind === 'StatefulSet').length, 1)
  assert.ok(kinds(actions).includes('restartPod'))
  const accepted = status.conditions?.find(({ type }) => type === 'Accepted')
  assert.deepEqual([accepted?.status, accepted?.reason], ['False', 'GrowthNotSupported'])
  assert.match(accepted?.message ?? '', /spec\.groups: .*; spec\.replicas: /)
})

test('a size that cannot shrink stays, and pods are changed all the same', () => {
  const { observed } = settled()
  const { actions } = makePlan(clusterWith({ storage: { size: '5Gi' }, image: 'thermocline:2' }), observed, TOKEN)
  const set = actions.find((action) => action.do === 'apply' && action.object.kind === 'StatefulSet')
  assert.match(JSON.stringify(set), /"storage":"10Gi"/)
  assert.equal(kinds(actions).includes('orphanStatefulSet'), false)
  assert.ok(kinds(actions).includes('restartPod'))
})

test('a slice that was changed is in no topology', () => {
  const { observed } = settled()
  const moved: Observed = { ...observed, nodes: new Map([['n1', { isReady: true, isUnschedulable: false, zone: 'elsewhere' }]]) }
  const { actions, status } = makePlan(clusterWith({ sliceDuration: '1h' }), moved, TOKEN)
  assert.deepEqual(
    actions.flatMap((action) => (action.do === 'putTopology' ? [action.topology.sliceDurationMs] : [])),
    [86_400_000, 86_400_000, 86_400_000],
  )
  assert.equal(status.conditions?.find(({ type }) => type === 'Accepted')?.status, 'False')
})

test('paused: everything is reported, nothing is done', () => {
  const { observed } = settled()
  const { actions, status } = makePlan(clusterWith({ image: 'thermocline:2', paused: true }), observed, TOKEN)
  assert.deepEqual(actions, [])
  assert.equal(status.phase, 'Paused')
})

test('paused before it has an id: none is made up', () => {
  const plan = makePlan(clusterWith({ paused: true }), { ...observedWith(), bootstrap: undefined }, TOKEN)
  assert.deepEqual([plan.actions, plan.status.clusterId], [[], undefined])
})

test('claims grow although the pod is down, and the StatefulSet is made anew around its pods', () => {
  const { observed } = settled()
  const down: Observed = {
    ...observed,
    groups: observed.groups.map((all) => all.map((one) => (one.replica === 2 ? { ...one, pod: undefined, facts: undefined } : one))),
  }
  const { actions, status } = makePlan(clusterWith({ storage: { size: '20Gi' } }), down, TOKEN)
  assert.deepEqual(
    actions.flatMap((action) => (action.do === 'growClaim' ? [action.claim] : [])),
    [0, 1, 2].map((at) => `data-orders-g0-${at}`),
  )
  assert.ok(kinds(actions).includes('orphanStatefulSet'))
  assert.equal(status.jobs?.find(({ type }) => type === 'VolumeGrowth')?.progress, 0)
})

test('a StatefulSet with smaller claims is never applied over: it goes first, without its pods', () => {
  const { observed } = settled()
  const { actions } = makePlan(clusterWith({ storage: { size: '20Gi' } }), observed, TOKEN)
  assert.deepEqual(
    kinds(actions).filter((kind) => kind === 'StatefulSet' || kind === 'orphanStatefulSet'),
    ['orphanStatefulSet'],
  )
  const gone = makePlan(clusterWith({ storage: { size: '20Gi' } }), { ...observed, statefulSets: [undefined] }, TOKEN)
  assert.ok(kinds(gone.actions).includes('StatefulSet'))
})

test('pods of a broken template are replaced before the slots are filled, too', () => {
  const broken = observedWith({ bootstrap: { resourceVersion: '3', clusterId: CLUSTER_ID, initial: undefined, epoch: 0 } }, (one) => ({
    ...one,
    pod: one.pod === undefined ? undefined : { ...one.pod, phase: 'Pending', isReady: false, trouble: 'ImagePullBackOff' },
    facts: undefined,
  }))
  const { actions } = makePlan(clusterWith({ image: 'thermocline:good' }), broken, TOKEN)
  assert.equal(kinds(actions).filter((kind) => kind === 'restartPod').length, 3)
})

test('an epoch is put down before a topology carries it, and only once', () => {
  const { cluster, observed } = settled()
  const moved: Observed = { ...observed, nodes: new Map([['n1', { isReady: true, isUnschedulable: false, zone: 'elsewhere' }]]) }
  assert.deepEqual(
    kinds(makePlan(cluster, moved, TOKEN).actions).filter((kind) => kind === 'nameEpoch' || kind === 'putTopology'),
    ['nameEpoch', 'putTopology', 'putTopology', 'putTopology'],
  )
  assert.equal(kinds(makePlan(cluster, observed, TOKEN).actions).includes('nameEpoch'), false)
})

test('while nobody answers no epoch is named and the status stays as it is: its own write would wake the next pass', () => {
  const { cluster, observed } = settled()
  const silent: Observed = {
    ...observed,
    status: { topologyEpoch: 3 },
    topology: undefined,
    groups: observed.groups.map((all) => all.map((one) => ({ ...one, facts: undefined }))),
  }
  const { actions, status } = makePlan(cluster, silent, TOKEN)
  assert.equal(kinds(actions).includes('nameEpoch'), false)
  assert.equal(status.topologyEpoch, 3)
})

test('no pod is restarted for a template that its StatefulSet does not have yet', () => {
  const { observed } = settled()
  const { actions } = makePlan(clusterWith({ image: 'thermocline:2', storage: { size: '20Gi' } }), observed, TOKEN)
  assert.equal(kinds(actions).includes('orphanStatefulSet'), true)
  assert.equal(kinds(actions).includes('restartPod'), false)
})

test('a volume of another is said with a reason of its own, and before the slots are filled it is never taken for a first one', () => {
  const { cluster, observed } = settled()
  const swap = (given: Observed): Observed => ({
    ...given,
    groups: given.groups.map((all) =>
      all.map((one) => (one.replica === 2 ? { ...one, facts: undefined, foreign: { owner: undefined } } : one)),
    ),
  })
  const degraded = (given: Observed): string => {
    const found = makePlan(cluster, given, TOKEN).status.conditions?.find(({ type }) => type === 'Degraded')
    return `${found?.status} ${found?.reason}: ${found?.message}`
  }
  assert.match(
    degraded(swap(observed)),
    /^True ForeignVolume: replica 2 of group 0 has a volume that does not say whose it is behind claim/,
  )
  const empty: Observed = { ...observed, bootstrap: { resourceVersion: '3', clusterId: CLUSTER_ID, initial: undefined, epoch: 0 } }
  const fresh: Observed = {
    ...empty,
    groups: empty.groups.map((all) =>
      all.map((one) => ({ ...one, facts: factsOf(0, one.replica, { state: 'joining', standing: 'fresh' }) })),
    ),
  }
  assert.match(degraded(swap(fresh)), /^True ForeignVolume: .*; put the right volume, or an empty one, behind its claim$/)
  assert.equal(kinds(makePlan(cluster, swap(fresh), TOKEN).actions).includes('fillSlots'), false)
})

test('a new cluster bootstraps until a majority has voted; one that has voted is degraded without', () => {
  const { cluster, observed } = settled()
  const saidOf = (reason: string): Observed['status'] => ({
    conditions: [{ type: 'Available', status: 'False', reason, message: '', lastTransitionTime: '2026-11-25T11:00:00Z' }],
  })
  const waiting = (status: Observed['status'], voters = 0): string => {
    const groups = observed.groups.map((all) =>
      all.map((one) =>
        one.replica < voters ? one : { ...one, facts: factsOf(0, one.replica, { state: 'joining', mode: 'Unknown', epoch: 0 }) },
      ),
    )
    const plan = makePlan(cluster, { ...observed, status, groups }, TOKEN)
    const degraded = plan.status.conditions?.find(({ type }) => type === 'Degraded')
    return `${plan.status.phase} ${degraded?.reason}`
  }
  assert.equal(waiting(saidOf('Bootstrapping')), 'Bootstrapping Bootstrapping')
  assert.equal(waiting(saidOf('Bootstrapping'), 2), 'Degraded ReplicaMissing')
  assert.equal(waiting(saidOf('Bootstrapping'), 3), 'Running Healthy')
  assert.equal(waiting(saidOf('MajorityVotes')), 'Degraded ReplicaMissing')
  assert.equal(waiting({}), 'Degraded ReplicaMissing')
})

test('a message is never longer than a server takes', () => {
  const cluster = clusterWith({ groups: 1000 })
  const silent = observedWith({ groups: 1000 }, (one) => ({ ...one, pod: undefined, facts: undefined }))
  for (const { message } of makePlan(cluster, silent, TOKEN).status.conditions ?? []) assert.ok(message.length <= 4001)
})
