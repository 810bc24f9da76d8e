/** Each refusal names the field, its value and what is expected. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Topology } from '@thermocline/protocol'
import { acceptChange, acceptSpec } from './acceptance.ts'
import { CLUSTER_ID, clusterWith, observedWith } from './observed.fixture.ts'

const refusalOf = (spec: Record<string, unknown>, name = 'orders'): string => {
  const accepted = acceptSpec({ metadata: { name }, spec })
  return 'spec' in accepted ? 'accepted' : `${accepted.reason}: ${accepted.message}`
}

test('an empty spec is accepted, with all defaults', () => {
  const accepted = acceptSpec({ metadata: { name: 'orders' } })
  assert.ok('spec' in accepted)
  assert.deepEqual([accepted.spec.groups, accepted.spec.replicas, accepted.spec.storage.size], [1, 3, '10Gi'])
})

for (const [what, spec, wanted] of [
  ['a field that is unknown', { sise: 1 }, /^Invalid: spec: .*"?sise"?/],
  ['a type that is wrong', { groups: 'two' }, /^Invalid: spec\.groups: .*expected number/],
  ['an even number of replicas', { replicas: 4 }, /^Invalid: spec\.replicas: must be 3 or 5/],
  ['a size that is none', { storage: { size: 'big' } }, /^Invalid: spec\.storage\.size: expected a quantity like 10Gi/],
  ['a log that is too small', { limits: { logBytes: '1Mi' } }, /^Invalid: spec\.limits\.logBytes: 1Mi is less than 64Mi/],
  [
    'a volume that its log fills',
    { storage: { size: '300Mi' } },
    /spec\.storage\.size: 300Mi is less than twice spec\.limits\.logBytes, 256Mi/,
  ],
  ['slices that are too short', { sliceDuration: '5s' }, /spec\.sliceDuration: 5s is not from 1m to 49d/],
  ['slices that are too long', { sliceDuration: '60d' }, /spec\.sliceDuration: 60d is not from 1m to 49d/],
  [
    'memory that is no quantity',
    { resources: { limits: { memory: 'much' } } },
    /spec\.resources\.limits\.memory: much is not a quantity like 1Gi/,
  ],
  [
    'memory that the version cache fills',
    { resources: { limits: { memory: '128Mi' } } },
    /spec\.resources\.limits\.memory: 128Mi is less than 128Mi and spec\.versionCache\.size, 64Mi, together/,
  ],
] as const) {
  test(`refused, with field, value and what is expected: ${what}`, () => assert.match(refusalOf(spec), wanted))
}

test('a name that pods could not be named after is refused', () => {
  assert.match(refusalOf({}, 'x'.repeat(41)), /^Invalid: metadata\.name: is longer than 40 characters/)
})

test('what contradicts the cluster that is there is refused, and says what to set it back to', () => {
  const observed = observedWith({ groups: 2 })
  const topology = { formatVersion: 1, clusterId: CLUSTER_ID, epoch: 1, sliceDurationMs: 3_600_000, groups: [] } as Topology
  const refused = (spec: Record<string, unknown>, given = observed): string => {
    const refusal = acceptChange(clusterWith({ groups: 2, ...spec }).spec, given)
    return refusal === undefined ? 'accepted' : `${refusal.reason}: ${refusal.message}`
  }
  assert.equal(refused({}), 'accepted')
  assert.equal(refused({ storage: { size: '20Gi' } }), 'accepted')
  assert.match(refused({ groups: 3 }), /^GrowthNotSupported: spec\.groups: the cluster has 2, 3 are wanted;.* set it back to 2/)
  assert.match(refused({ groups: 1 }), /^ShrinkingNotSupported: spec\.groups: the cluster has 2, 1 are wanted;.* set it back to 2/)
  assert.match(refused({ replicas: 5 }), /^Invalid: spec\.replicas: the cluster has 3, 5 are wanted; set it back to 3/)
  assert.match(refused({}, { ...observed, topology }), /^Invalid: spec\.sliceDuration: the cluster was made with 3600s, 24h is wanted/)
  assert.match(
    refused({ storage: { size: '5Gi' } }),
    /^VolumesCannotShrink: spec\.storage\.size: volumes of 10737418240 bytes cannot shrink to 5Gi/,
  )
})
