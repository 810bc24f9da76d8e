/** Each refusal names the field, its value and what is expected. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PaxosGroupSpec } from '../api/paxos-group.ts'
import { acceptChanges, acceptSpec } from './acceptance.ts'
import { claimOf, clusterWith, observedWith } from './observed.fixture.ts'
import type { Observed } from './observed.ts'

const refusalOf = (spec: Record<string, unknown>, name = 'orders'): string => {
  const accepted = acceptSpec({ metadata: { name }, spec }, new Set())
  return 'spec' in accepted ? 'accepted' : `${accepted.reason}: ${accepted.message}`
}

test('an empty spec is accepted, with all defaults', () => {
  const accepted = acceptSpec({ metadata: { name: 'orders' } }, new Set())
  assert.ok('spec' in accepted)
  assert.deepEqual([accepted.spec.groups, accepted.spec.replicas, accepted.spec.storage.size], [1, 3, '10Gi'])
})

for (const [what, spec, wanted] of [
  ['a field that is unknown', { sise: 1 }, /^Invalid: spec: .*"?sise"?/],
  [
    'a pod with rights of the host',
    { podTemplate: { spec: { hostNetwork: true } } },
    /^PodTemplateNotGranted: spec\.podTemplate\.spec\.hostNetwork: true needs the grant hostNamespaces/,
  ],
  [
    'the Secret of another cluster',
    { podTemplate: { spec: { volumes: [{ name: 's', secret: { secretName: 'billing-admin' } }] } } },
    /^PodTemplateNotGranted: .*"billing-admin" needs the grant secrets/,
  ],
  ['its own Secret', { podTemplate: { spec: { volumes: [{ name: 's', secret: { secretName: 'orders-admin' } }] } } }, /^accepted$/],
  ['a type that is wrong', { groups: 'two' }, /^Invalid: spec\.groups: .*expected number/],
  ['an even number of replicas', { replicas: 4 }, /^Invalid: spec\.replicas: must be 3 or 5/],
  ['a size that is none', { storage: { size: 'big' } }, /^Invalid: spec\.storage\.size: expected a quantity like 10Gi/],
  ['a log that is too small', { limits: { logBytes: '1Mi' } }, /^Invalid: spec\.limits\.logBytes: 1Mi is less than 64Mi/],
  [
    'a volume that its log fills',
    { storage: { size: '300Mi' } },
    /spec\.storage\.size: 300Mi is less than twice spec\.limits\.logBytes, 256Mi/,
  ],
  ['slices that are too short', { sliceDuration: '5s' }, /spec\.sliceDuration: must be from 1m to 49d/],
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

test('what contradicts the cluster that is there is refused, says what to set it back to, and stays as it is', () => {
  const observed = observedWith({ groups: 2 })
  const judge = (wanted: Record<string, unknown>, given = observed): { said: string; kept: Partial<PaxosGroupSpec> } => {
    const asked = clusterWith({ groups: 2, ...wanted }).spec
    const { spec, refusals } = acceptChanges(asked, given)
    const kept = Object.fromEntries(Object.entries(spec).filter(([name, value]) => value !== asked[name as keyof PaxosGroupSpec]))
    return { said: refusals.map(({ reason, message }) => `${reason}: ${message}`).join('; '), kept }
  }
  assert.deepEqual(judge({}), { said: '', kept: {} })
  assert.deepEqual(judge({ storage: { size: '20Gi' }, image: 'i:2' }), { said: '', kept: {} })

  const more = judge({ groups: 3 })
  assert.match(more.said, /^GrowthNotSupported: spec\.groups: the cluster has 2, 3 are wanted;.* set it back to 2$/)
  assert.deepEqual(more.kept, { groups: 2 })
  assert.match(judge({ groups: 1 }).said, /^ShrinkingNotSupported: spec\.groups: the cluster has 2, 1 are wanted;.* set it back to 2$/)

  const replicas = judge({ replicas: 5 })
  assert.match(replicas.said, /^Invalid: spec\.replicas: the cluster has 3, 5 are wanted; set it back to 3$/)
  assert.deepEqual(replicas.kept, { replicas: 3 })

  const slice = judge({ sliceDuration: '1h' })
  assert.match(slice.said, /^Invalid: spec\.sliceDuration: the cluster was made with 1d, 1h is wanted; set it back to 1d$/)
  assert.deepEqual(slice.kept, { sliceDuration: '1d' })

  const size = judge({ storage: { size: '5Gi', retentionPolicy: 'Delete' } })
  assert.match(size.said, /^VolumesCannotShrink: spec\.storage\.size: volumes of 10Gi cannot shrink to 5Gi; set it to 10Gi or more$/)
  assert.deepEqual(size.kept, { storage: { size: '10Gi', retentionPolicy: 'Delete' } })
})

test('each field is judged by itself: all refusals are told', () => {
  const { spec, refusals } = acceptChanges(clusterWith({ groups: 4, replicas: 5, image: 'i:2' }).spec, observedWith())
  assert.deepEqual(
    refusals.map(({ reason }) => reason),
    ['GrowthNotSupported', 'Invalid'],
  )
  assert.deepEqual([spec.groups, spec.replicas, spec.image], [1, 3, 'i:2'])
})

test('the size in force: of StatefulSets, or what all claims of a group have; one that people enlarged says nothing', () => {
  const size = (observed: Observed, wanted: string): string =>
    acceptChanges(clusterWith({ storage: { size: wanted } }).spec, observed).spec.storage.size
  const enlarged = observedWith({}, (one) => ({
    ...one,
    claim: claimOf(0, one.replica, { requestedBytes: (one.replica + 1) * 10 * 1024 ** 3 }),
  }))
  assert.equal(size(enlarged, '10Gi'), '10Gi')
  assert.equal(size({ ...enlarged, statefulSets: [undefined] }, '5Gi'), '10Gi')
})
