import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Job } from '../api/paxos-group.ts'
import { paxosGroupSpecSchema } from '../api/paxos-group.ts'
import { formatTime } from '../api/time.ts'
import { claimOf, factsOf, NOW_MS, observedWith, podOf } from './observed.fixture.ts'
import type { Observed, ObservedReplica } from './observed.ts'
import { mayGiveUp, maySetAside, planRecovery } from './recovery.ts'

const spec = paxosGroupSpecSchema.parse({ replaceAfter: '5m' })
const MINUTE_MS = 60_000

/** The node of replica 2 is gone, and its volume was tied to it. */
const nodeGone = (one: ObservedReplica): ObservedReplica =>
  one.replica === 2 ? { ...one, pod: podOf(0, 2, { isReady: false, isDeleting: true }), facts: undefined } : one
const nodes = (...names: string[]): Observed['nodes'] =>
  new Map(names.map((name) => [name, { isReady: true, isUnschedulable: false, zone: '' }]))
const jobSince = (ms: number, step: string): Job => ({
  type: 'Recovery',
  group: 0,
  replica: 2,
  step,
  startedAt: formatTime(ms),
  message: '',
})

test('a lost node is waited for, then claim and pod are deleted', () => {
  const first = planRecovery(spec, observedWith({ nodes: nodes('n1', 'n2') }, nodeGone))
  assert.deepEqual(first.steps, [])
  assert.equal(first.jobs[0]?.step, 'Waiting')
  assert.match(
    first.jobs[0]?.message ?? '',
    /replica 2 of group 0 has its volume on node n3, which is gone; replaced at 2026-11-25T12:05:00Z/,
  )
  assert.equal(first.againAfterMs, 5 * MINUTE_MS)

  const status = { jobs: [jobSince(NOW_MS - 5 * MINUTE_MS, 'Waiting')] }
  const then = planRecovery(spec, observedWith({ nodes: nodes('n1', 'n2'), status }, nodeGone))
  assert.deepEqual(
    then.steps.map((step) => [step.do, 'uid' in step ? step.uid : undefined]),
    [
      ['deleteClaim', 'claim-0-2'],
      ['deletePod', 'pod-0-2'],
    ],
  )
  assert.equal(then.jobs[0]?.step, 'Replacing')
})

test('a node that returns in time ends it', () => {
  const status = { jobs: [jobSince(NOW_MS - MINUTE_MS, 'Waiting')] }
  assert.deepEqual(planRecovery(spec, observedWith({ status })).jobs, [])
})

test('a second loss in the group: nothing is touched, and people are asked', () => {
  const status = { jobs: [jobSince(NOW_MS - 60 * MINUTE_MS, 'Waiting')] }
  const observed = observedWith({ nodes: nodes('n2'), status }, (one) =>
    one.replica === 1 ? one : { ...one, facts: undefined, pod: undefined },
  )
  const plan = planRecovery(spec, observed)
  assert.deepEqual(plan.steps, [])
  assert.equal(plan.needsOperator.length, 2)
  assert.match(plan.needsOperator[1] ?? '', /voters of the group: 1 of 3; to replace one takes 2, and no other that is lost/)
})

test('when others that were lost with it have returned, it has the whole time again to follow them', () => {
  const status = { jobs: [jobSince(NOW_MS - 60 * MINUTE_MS, 'Blocked')] }
  const plan = planRecovery(spec, observedWith({ nodes: nodes('n1', 'n2'), status }, nodeGone))
  assert.deepEqual(plan.steps, [])
  assert.deepEqual(
    plan.jobs.map(({ step, startedAt }) => [step, startedAt]),
    [['Waiting', formatTime(NOW_MS)]],
  )
})

test('nothing is replaced while another replica only learns: too few know what was promised', () => {
  const status = { jobs: [jobSince(NOW_MS - 60 * MINUTE_MS, 'Waiting')] }
  const learner = { blocks: 65_536, voting: 100, stuck: 0 }
  const observed = observedWith({ nodes: nodes('n1', 'n2'), status }, (one) => {
    if (one.replica === 1) return { ...one, facts: factsOf(0, 1, { state: 'learning', mode: 'LearnerOnly', learner }) }
    return nodeGone(one)
  })
  const plan = planRecovery(spec, observed)
  assert.deepEqual(plan.steps, [])
  assert.deepEqual(
    plan.jobs.map(({ replica, step }) => [replica, step]),
    [
      [1, 'Learning'],
      [2, 'Blocked'],
    ],
  )
})

test('without the right to see nodes no node is ever lost', () => {
  const plan = planRecovery(spec, observedWith({ nodes: new Map(), canSeeNodes: false }, nodeGone))
  assert.deepEqual(plan, { steps: [], jobs: [], needsOperator: [], againAfterMs: undefined })
})

test('a pod made before its old claim was gone is made again', () => {
  const status = { jobs: [jobSince(NOW_MS - 6 * MINUTE_MS, 'Replacing')] }
  const observed = observedWith({ status, nodes: nodes('n1', 'n2') }, (one) =>
    one.replica === 2
      ? { ...one, claim: undefined, facts: undefined, pod: podOf(0, 2, { node: undefined, phase: 'Pending', isReady: false }) }
      : one,
  )
  assert.deepEqual(
    planRecovery(spec, observed).steps.map((step) => step.do),
    ['deletePod'],
  )
})

test('a pod that waits for a claim that is being deleted is made again, also after its node came back', () => {
  const observed = observedWith({}, (one) =>
    one.replica === 2
      ? {
          ...one,
          claim: claimOf(0, 2, { isDeleting: true }),
          facts: undefined,
          pod: podOf(0, 2, { node: undefined, phase: 'Pending', isReady: false }),
        }
      : one,
  )
  assert.deepEqual(
    planRecovery(spec, observed).steps.map((step) => step.do),
    ['deletePod'],
  )
})

test('a volume is given up only if it is still lost, still the only one, and enough others vote', () => {
  const lost = observedWith({ nodes: nodes('n1', 'n2') }, nodeGone)
  const ask = (observed: Observed, uid = 'claim-0-2'): boolean => mayGiveUp(2, uid, observed, observed.groups[0] ?? [])
  assert.equal(ask(lost), true)
  assert.equal(ask(lost, 'another'), false)
  assert.equal(ask(observedWith({ nodes: nodes('n1', 'n2', 'n3') }, nodeGone)), false)
  assert.equal(ask(observedWith({ nodes: nodes('n1') }, nodeGone)), true)
  const second = observedWith({ nodes: nodes('n1', 'n2') }, (one) => (one.replica === 1 ? { ...one, facts: undefined } : nodeGone(one)))
  assert.equal(ask(second), false)
})

test('a learner is followed to the end, with progress; one that is stuck asks for people', () => {
  const learner = { blocks: 1000, voting: 250, stuck: 3, etaMs: 7500 }
  const observed = observedWith({}, (one) =>
    one.replica === 0 ? { ...one, claim: claimOf(0, 0), facts: factsOf(0, 0, { state: 'learning', mode: 'LearnerOnly', learner }) } : one,
  )
  const plan = planRecovery(spec, observed)
  assert.deepEqual([plan.jobs[0]?.step, plan.jobs[0]?.progress, plan.jobs[0]?.etaSeconds], ['Learning', 25, 8])
  assert.match(plan.needsOperator[0] ?? '', /cannot vote again in 3 blocks/)
})

/** Replica 2 has the volume of another cluster. */
const foreign = (one: ObservedReplica): ObservedReplica =>
  one.replica !== 2
    ? one
    : {
        ...one,
        pod: podOf(0, 2, { isReady: false }),
        claim: claimOf(0, 2, { holdsForeign: true }),
        facts: undefined,
        foreign: { owner: { clusterId: 'cd'.repeat(16), group: 3, replica: 1 } },
      }

test('a volume of another is marked, waited with, and then moved aside; its claim is never deleted', () => {
  const first = planRecovery(
    spec,
    observedWith({}, (one) => ({ ...foreign(one), claim: claimOf(0, one.replica) })),
  )
  assert.deepEqual(first.steps, [{ do: 'markClaim', group: 0, replica: 2, claim: 'data-orders-g0-2', owner: `${'cd'.repeat(16)}/3/1` }])
  assert.match(
    first.jobs[0]?.message ?? '',
    /the volume of cluster (cd){16}, group 3, replica 1 behind claim data-orders-g0-2; nothing on it is used or deleted; put the right volume behind the claim, or delete claim and pod; else it is moved aside at 2026-11-25T12:05:00Z/,
  )
  assert.equal(first.againAfterMs, 5 * MINUTE_MS)
  const status = { jobs: [jobSince(NOW_MS - 5 * MINUTE_MS, 'Waiting')] }
  const then = planRecovery(spec, observedWith({ status }, foreign))
  assert.deepEqual(
    then.steps.map((step) => step.do),
    ['setVolumeAside'],
  )
  assert.equal(then.jobs[0]?.step, 'Replacing')
})

test('a volume of another is not moved aside while too few vote, and people are asked', () => {
  const status = { jobs: [jobSince(NOW_MS - 60 * MINUTE_MS, 'Waiting')] }
  const observed = observedWith({ status }, (one) => (one.replica === 1 ? { ...one, facts: undefined } : foreign(one)))
  const plan = planRecovery(spec, observed)
  assert.deepEqual(plan.steps, [])
  assert.match(plan.needsOperator[0] ?? '', /voters of the group: 1 of 3; to replace one takes 2, and no other that is lost/)
  assert.equal(maySetAside(2, observed, observed.groups[0] ?? []), false)
})

test('it is decided again before it is moved aside; a claim that was seen to hold others’ data is not given up with its node either', () => {
  const observed = observedWith({}, foreign)
  const group = observed.groups[0] ?? []
  assert.equal(maySetAside(2, observed, group), true)
  assert.equal(mayGiveUp(2, 'claim-0-2', observed, group), false)
  const own = observedWith()
  assert.equal(maySetAside(2, own, own.groups[0] ?? []), false)

  const status = { jobs: [jobSince(NOW_MS - 60 * MINUTE_MS, 'Waiting')] }
  const gone = observedWith({ status, nodes: nodes('n1', 'n2') }, (one) => ({ ...foreign(one), foreign: undefined }))
  const plan = planRecovery(spec, gone)
  assert.deepEqual(plan.steps, [])
  assert.match(plan.needsOperator[0] ?? '', /others’ data was found on it: delete claim data-orders-g0-2 and pod orders-g0-2 once/)
  assert.equal(mayGiveUp(2, 'claim-0-2', gone, gone.groups[0] ?? []), false)
})
