/** Each refusal names the field, its value and what is expected. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptMemorySpec, refuseReference, servingOf } from './memory-acceptance.ts'

const refusalOf = (spec: Record<string, unknown>, name = 'cache'): string => {
  const accepted = acceptMemorySpec({ metadata: { name }, spec: { paxosGroupRef: { name: 'orders' }, ...spec } }, new Set())
  return 'spec' in accepted ? 'accepted' : `${accepted.reason}: ${accepted.message}`
}

test('a reference alone is accepted, with all defaults, and the defaults fit each other', () => {
  const accepted = acceptMemorySpec({ metadata: { name: 'cache' }, spec: { paxosGroupRef: { name: 'orders' } } }, new Set())
  assert.ok('spec' in accepted)
  const { groups, replicas, cache, newerThan, trafficPercent, warmUp } = accepted.spec
  assert.deepEqual([groups, replicas, cache.size, newerThan, trafficPercent, warmUp.duration], [undefined, 2, '1Gi', undefined, 100, '30s'])
})

const memory = (limit: string, size: string): Record<string, unknown> => ({ cache: { size }, resources: { limits: { memory: limit } } })

for (const [what, spec, wanted] of [
  [
    'the Secret of its cluster',
    { podTemplate: { spec: { volumes: [{ name: 's', secret: { secretName: 'orders-admin' } }] } } },
    /^PodTemplateNotGranted: .*"orders-admin" needs the grant secrets/,
  ],
  ['no reference', { paxosGroupRef: undefined }, /^Invalid: spec\.paxosGroupRef: .*expected object/],
  [
    'a namespace in the reference',
    { paxosGroupRef: { name: 'orders', namespace: 'other' } },
    /^Invalid: spec\.paxosGroupRef: .*"namespace"/,
  ],
  ['a cache that is too small', { cache: { size: '16Mi' } }, /^Invalid: spec\.cache\.size: 16Mi is less than 32Mi/],
  ['a size that is none', { cache: { size: 'big' } }, /^Invalid: spec\.cache\.size: expected a quantity like 10Gi/],
  [
    'a cache larger than the memory limit',
    memory('1Gi', '2Gi'),
    /^Invalid: spec\.resources\.limits\.memory: 1Gi is less than spec\.cache\.size, 2Gi, and 192Mi for the process together/,
  ],
  ['a limit that the cache fills', memory('1Gi', '1000Mi'), /1Gi is less than spec\.cache\.size, 1000Mi, and 192Mi/],
  ['a limit that fits to the byte', memory('1216Mi', '1Gi'), /^accepted$/],
  ['no limit', { resources: {} }, /^accepted$/],
  ['a limit that is no quantity', memory('much', '1Gi'), /spec\.resources\.limits\.memory: much is not a quantity/],
  ['a split point of zero days', { newerThan: '0d' }, /spec\.newerThan: 0d is not from 1s to 36500d/],
  ['a split point of a thousand years', { newerThan: '365000d' }, /spec\.newerThan: 365000d is not from 1s to 36500d/],
  ['a split point that is no duration', { newerThan: 'soon' }, /spec\.newerThan: expected a duration/],
  ['too much traffic', { trafficPercent: 101 }, /spec\.trafficPercent: .*100/],
  ['too many machines', { replicas: 17 }, /spec\.replicas: .*16/],
  ['a warm-up that is too long', { warmUp: { duration: '2h' } }, /spec\.warmUp\.duration: must be at most 1h/],
] as const) {
  test(`refused, with field, value and what is expected: ${what}`, () => assert.match(refusalOf(spec), wanted))
}

test('a name that pods could not be named after is refused', () => {
  assert.match(refusalOf({}, 'x'.repeat(41)), /^Invalid: metadata\.name: is longer than 40 characters/)
})

test('what it names has to be there, and one MemoryGroup serves it: each refusal says what to do', () => {
  const judge = (storage: 'there' | 'deleting' | 'absent', serving?: string, madeFor?: string) =>
    refuseReference('cache', { paxosGroup: 'orders', storage, serving, madeFor })
  assert.equal(judge('there', 'cache'), undefined)
  assert.equal(judge('there', 'cache', 'orders'), undefined)
  assert.match(
    judge('there', 'cache', 'users')?.message ?? '',
    /cannot be changed: its machines cache users, orders is named; set it back to users/,
  )
  assert.match(judge('absent')?.message ?? '', /^spec\.paxosGroupRef\.name: there is no PaxosGroup orders in this namespace; make it/)
  assert.equal(judge('absent')?.reason, 'PaxosGroupNotFound')
  assert.equal(judge('deleting', 'cache')?.reason, 'PaxosGroupDeleting')
  assert.match(judge('there', 'older')?.message ?? '', /MemoryGroup older was there first and serves PaxosGroup orders/)
})

test('the oldest serves, then the first by name; one that is being deleted does not', () => {
  const one = (name: string, createdAt: string, isDeleting = false) => ({ name, createdAt, isDeleting })
  const early = '2026-01-01T00:00:00Z'
  const late = '2026-01-02T00:00:00Z'
  assert.equal(servingOf([]), undefined)
  assert.equal(servingOf([one('a', late), one('b', early)])?.name, 'b')
  assert.equal(servingOf([one('b', early), one('a', early)])?.name, 'a')
  assert.equal(servingOf([one('a', early, true), one('b', late)])?.name, 'b')
})
