import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTopology, type Topology } from '@thermocline/protocol'
import { CLUSTER_ID, clusterWith, DAY_MS, factsOf, nonceOf, observedWith } from './observed.fixture.ts'
import type { Initial, Observed, ObservedReplica } from './observed.ts'
import { planTopology, replicasBehind } from './topology.ts'

const cluster = clusterWith()
const plan = (observed: Observed): Topology | undefined => planTopology(cluster, observed, observed.bootstrap?.initial as Initial)
const atEpoch =
  (epoch: number) =>
  (one: ObservedReplica): ObservedReplica => ({ ...one, facts: factsOf(one.group, one.replica, { epoch }) })
const named = (epoch: number): Observed['bootstrap'] => ({
  resourceVersion: '7',
  clusterId: CLUSTER_ID,
  initial: { volumes: [[0, 1, 2].map((replica) => ({ number: 0, nonce: nonceOf(0, replica) }))], sliceDurationMs: DAY_MS },
  epoch,
})

test('the first topology names the first volumes, their hosts and zones, and is one that nodes take', () => {
  const topology = plan(observedWith({ bootstrap: named(0) }, atEpoch(0)))
  assert.equal(topology?.epoch, 1)
  assert.deepEqual(topology.groups[0]?.replicas[1], {
    replica: 1,
    data: 'orders-g0-1.orders-g0.shop.svc.cluster.local:7400',
    http: 'orders-g0-1.orders-g0.shop.svc.cluster.local:7401',
    zone: 'z2',
    incarnation: { number: 0, nonce: nonceOf(0, 1) },
  })
  assert.deepEqual(parseTopology(topology), topology)
})

test('while nothing changes it is the one in force; a zone that changes makes a new one', () => {
  const first = { ...(plan(observedWith({}, atEpoch(0))) as Topology), epoch: 1 }
  assert.equal(plan(observedWith({ topology: first }, atEpoch(1))), first)
  const nodes = new Map([['n1', { isReady: true, isUnschedulable: false, zone: 'other' }]])
  const next = plan(observedWith({ topology: first, nodes }, atEpoch(1)))
  assert.deepEqual([next?.epoch, next?.groups[0]?.replicas.map(({ zone }) => zone)], [2, ['other', 'z2', 'z3']])
})

test('an epoch is above all that was ever named: by a node, the ConfigMap or the status', () => {
  const first = { ...(plan(observedWith({}, atEpoch(0))) as Topology), epoch: 3 }
  const nodes = new Map([['n1', { isReady: true, isUnschedulable: false, zone: 'other' }]])
  const epochOf = (changes: Partial<Omit<Observed, 'groups'>>): number | undefined =>
    plan(observedWith({ topology: first, nodes, ...changes }, atEpoch(3)))?.epoch
  assert.equal(epochOf({}), 4)
  assert.equal(epochOf({ bootstrap: named(7) }), 8)
  assert.equal(epochOf({ status: { topologyEpoch: 9 } }), 10)
})

test('nobody answers, or with an epoch whose content could not be read: none is made', () => {
  assert.equal(plan(observedWith({}, (one) => ({ ...one, facts: undefined }))), undefined)
  assert.equal(plan(observedWith({}, atEpoch(2))), undefined)
})

test('those behind are given it, if they answer', () => {
  const observed = observedWith({}, (one) => (one.replica === 0 ? { ...one, facts: undefined } : atEpoch(one.replica)(one)))
  assert.deepEqual(replicasBehind(observed, 2), [{ group: 0, replica: 1 }])
})
