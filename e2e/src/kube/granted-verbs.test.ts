import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareRights, grantedRights, type Manifest, type Right, rightsUsedByAudit, rightsUsedByMetrics } from './granted-verbs.ts'

const ROLES: readonly Manifest[] = [
  { kind: 'Role', rules: [{ apiGroups: ['apps'], resources: ['statefulsets'], verbs: ['get', 'patch'] }] },
  { kind: 'ClusterRole', rules: [{ apiGroups: [''], resources: ['pods/eviction', 'secrets'], verbs: ['create'] }] },
  { kind: 'Deployment' },
]

const TABLE: readonly {
  what: string
  used: readonly Right[]
  rare?: readonly Right[]
  missing: readonly Right[]
  unused: readonly Right[]
}[] = [
  {
    what: 'exactly what is granted',
    used: ['get statefulsets', 'patch statefulsets', 'create pods/eviction', 'create secrets'],
    missing: [],
    unused: [],
  },
  {
    what: 'a Secret read',
    used: ['get secrets', 'get statefulsets', 'patch statefulsets', 'create pods/eviction', 'create secrets'],
    missing: ['get secrets'],
    unused: [],
  },
  {
    what: 'a subresource is not its resource',
    used: ['patch statefulsets/scale', 'patch statefulsets', 'get statefulsets', 'create secrets'],
    missing: ['patch statefulsets/scale'],
    unused: ['create pods/eviction'],
  },
  {
    what: 'an eviction that this run had no reason for',
    used: ['patch statefulsets', 'get statefulsets', 'create secrets'],
    rare: ['create pods/eviction'],
    missing: [],
    unused: [],
  },
]

for (const { what, used, rare, missing, unused } of TABLE) {
  test(`rights: ${what}`, () => assert.deepEqual(compareRights(grantedRights(ROLES), new Set(used), rare), { missing, unused }))
}

test('a wildcard is refused', () => {
  assert.throws(() => grantedRights([{ kind: 'Role', rules: [{ resources: ['*'], verbs: ['get'] }] }]), /get \*/)
})

test('what was used, from metrics', () => {
  const text = `# HELP thermocline_operator_api_requests_total Requests.
# TYPE thermocline_operator_api_requests_total counter
thermocline_operator_api_requests_total{verb="patch",resource="paxosgroups/status",code="200"} 3
thermocline_operator_api_requests_total{resource="pods",verb="watch",code="200"} 1
thermocline_operator_api_requests_total{verb="delete",resource="pods",code="200"} 0
thermocline_operator_leader 1
`
  assert.deepEqual([...rightsUsedByMetrics(text)], ['patch paxosgroups/status', 'watch pods'])
})

test('what was used, from an audit log', () => {
  const event = (username: string, verb: string, objectRef?: object) => JSON.stringify({ verb, user: { username }, objectRef })
  const lines = [
    event('system:serviceaccount:thermocline:operator', 'create', { resource: 'pods', subresource: 'eviction' }),
    event('system:serviceaccount:thermocline:operator', 'get'),
    event('admin', 'delete', { resource: 'pods' }),
    '',
  ]
  assert.deepEqual([...rightsUsedByAudit(lines, 'system:serviceaccount:thermocline:operator')], ['create pods/eviction'])
})
