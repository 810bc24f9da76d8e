import assert from 'node:assert/strict'
import { test } from 'node:test'
import { paxosGroupSpecSchema } from '../api/paxos-group.ts'
import { factsOf, observedWith, podOf, TEMPLATE } from './observed.fixture.ts'
import type { ObservedReplica } from './observed.ts'
import { mayRestart, planRollout } from './rollout.ts'

const NEW = 'template-2'
const spec = paxosGroupSpecSchema.parse({})
const ask = (replicas: readonly ObservedReplica[], replica: number, podUid: string, mayVote = true): string | undefined =>
  mayRestart(replicas, { replica, podUid, mayVote })
const who = (plan: ReturnType<typeof planRollout>): string[] => plan.restarts.map(({ group, replica }) => `g${group}-${replica}`)

test('nothing is restarted while every pod has the template in force', () => {
  const plan = planRollout(spec, observedWith({ groups: 2 }), TEMPLATE)
  assert.deepEqual({ who: who(plan), outdated: plan.outdated, waitsFor: plan.waitsFor }, { who: [], outdated: 0, waitsFor: undefined })
})

test('one replica of one group at a time, in the order of zones', () => {
  const nodes = new Map(['n1', 'n2', 'n3'].map((name, at) => [name, { isReady: true, isUnschedulable: false, zone: `z${3 - at}` }]))
  assert.deepEqual(who(planRollout(spec, observedWith({ groups: 3, nodes }), NEW)), ['g0-2'])
})

test('more groups at once if the resource says so, still one replica of each', () => {
  const two = paxosGroupSpecSchema.parse({ upgradeStrategy: { maxUnavailableGroups: 2 } })
  assert.deepEqual(who(planRollout(two, observedWith({ groups: 3 }), NEW)), ['g0-0', 'g1-0'])
})

test('the next waits until the last votes again, and says for whom it waits', () => {
  const observed = observedWith({}, (one) =>
    one.replica === 0 ? { ...one, pod: podOf(0, 0, { templateHash: NEW, isReady: false }), facts: undefined } : one,
  )
  const plan = planRollout(spec, observed, NEW)
  assert.deepEqual(who(plan), [])
  assert.equal(plan.outdated, 2)
  assert.equal(plan.waitsFor, 'replica 0 of group 0 does not answer')
})

test('a group that lacks a replica for another reason counts against the bound', () => {
  const observed = observedWith({ groups: 2 }, (one) => {
    if (one.group === 0) return one
    const pod = podOf(1, one.replica, { templateHash: NEW })
    return one.replica === 2 ? { ...one, pod, facts: undefined } : { ...one, pod }
  })
  const plan = planRollout(spec, observed, NEW)
  assert.deepEqual(who(plan), [])
  assert.match(plan.waitsFor ?? '', /other groups/)
})

test('a pod of a broken template is replaced at once, outside of windows too: it votes for nobody', () => {
  const closed = paxosGroupSpecSchema.parse({ maintenance: { windows: [{ days: ['Sun'], start: '02:00', duration: '1h' }] } })
  const broken = { templateHash: 'broken', isReady: false, trouble: 'ImagePullBackOff' }
  const observed = observedWith({}, (one) => (one.replica === 1 ? { ...one, pod: podOf(0, 1, broken), facts: undefined } : one))
  assert.deepEqual(who(planRollout(closed, observed, TEMPLATE)), ['g0-1'])
})

test('outside of the windows nothing that votes is restarted', () => {
  const closed = paxosGroupSpecSchema.parse({ maintenance: { windows: [{ days: ['Thu'], start: '12:00', duration: '1h' }] } })
  const plan = planRollout(closed, observedWith(), NEW)
  assert.deepEqual(who(plan), [])
  assert.equal(plan.againAfterMs, 24 * 3_600_000)
  assert.equal(plan.waitsFor, 'the next maintenance window')
})

test('asked again right before the act: a voter is evicted if all others vote, what gives no vote is deleted, another pod is left alone', () => {
  const [all = []] = observedWith().groups
  assert.equal(ask(all, 0, 'pod-0-0'), 'evict')
  assert.equal(ask(all, 0, 'a newer pod'), undefined)
  const [stopping = []] = observedWith({}, (one) => (one.replica === 1 ? { ...one, pod: podOf(0, 1, { isDeleting: true }) } : one)).groups
  assert.deepEqual(
    [0, 1, 2].map((replica) => ask(stopping, replica, `pod-0-${replica}`)),
    [undefined, undefined, undefined],
  )
  const [silent = []] = observedWith({}, (one) => (one.replica === 1 ? { ...one, facts: undefined } : one)).groups
  assert.deepEqual(
    [0, 1].map((replica) => ask(silent, replica, `pod-0-${replica}`)),
    [undefined, 'delete'],
  )
  const [learning = []] = observedWith({}, (one) =>
    one.replica === 1 ? { ...one, facts: factsOf(0, 1, { state: 'learning', mode: 'LearnerOnly' }) } : one,
  ).groups
  assert.deepEqual(
    [0, 1].map((replica) => ask(learning, replica, `pod-0-${replica}`)),
    [undefined, 'delete'],
  )
  // Replicas that wait for their topology may all vote in the next moment: seed 77 took one of two that had just begun to.
  const [joining = []] = observedWith({}, (one) => ({
    ...one,
    facts: factsOf(0, one.replica, { state: 'joining', mode: 'Unknown' }),
  })).groups
  assert.equal(ask(joining, 1, 'pod-0-1'), undefined)
  const [useless = []] = observedWith({}, (one) =>
    one.replica === 0 ? one : { ...one, facts: undefined, pod: podOf(0, one.replica, { trouble: 'CrashLoopBackOff' }) },
  ).groups
  assert.deepEqual(
    [0, 1].map((replica) => ask(useless, replica, `pod-0-${replica}`)),
    [undefined, 'delete'],
  )
})

test('one that says nothing may vote: outside of the windows it is left alone; so is one that votes by now, and was to go because it did not', () => {
  const closed = paxosGroupSpecSchema.parse({ maintenance: { windows: [{ days: ['Thu'], start: '12:00', duration: '1h' }] } })
  const silent = observedWith({}, (one) => (one.replica === 1 ? { ...one, facts: undefined } : one))
  assert.deepEqual(who(planRollout(closed, silent, NEW)), [])
  assert.deepEqual(planRollout(spec, silent, NEW).restarts, [{ group: 0, replica: 1, podUid: 'pod-0-1', mayVote: true }])
  const learning = observedWith({}, (one) =>
    one.replica === 1 ? { ...one, facts: factsOf(0, 1, { state: 'learning', mode: 'LearnerOnly' }) } : one,
  )
  assert.deepEqual(planRollout(closed, learning, NEW).restarts, [{ group: 0, replica: 1, podUid: 'pod-0-1', mayVote: false }])
  const [all = []] = observedWith().groups
  assert.equal(ask(all, 1, 'pod-0-1', false), undefined)
  assert.equal(ask(silent.groups[0] ?? [], 1, 'pod-0-1', false), undefined)
  assert.equal(ask(learning.groups[0] ?? [], 1, 'pod-0-1', false), 'delete')
})
