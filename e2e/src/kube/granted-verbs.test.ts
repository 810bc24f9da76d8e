import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareRights, grantedRights, type Manifest, type Right, rightsUsedByMetrics } from './granted-verbs.ts'

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

test('what was used, from metrics: applying is patching, and creating what was not there', () => {
  const text = `# HELP thermocline_operator_api_requests_total Requests.
# TYPE thermocline_operator_api_requests_total counter
thermocline_operator_api_requests_total{verb="apply",resource="paxosgroups.thermocline.dev/status",code="200"} 3
thermocline_operator_api_requests_total{verb="apply",resource="statefulsets.apps",code="201"} 1
thermocline_operator_api_requests_total{resource="pods",verb="watch",code="200"} 1
thermocline_operator_api_requests_total{verb="evict",resource="pods",code="429"} 1
thermocline_operator_api_requests_total{verb="delete",resource="pods",code="200"} 0
thermocline_operator_api_requests_total{verb="get",resource="/version",code="200"} 1
thermocline_operator_leader 1
`
  assert.deepEqual(
    [...rightsUsedByMetrics(text)],
    ['patch paxosgroups/status', 'patch statefulsets', 'create statefulsets', 'watch pods', 'create pods/eviction'],
  )
  assert.throws(() => rightsUsedByMetrics('thermocline_operator_api_requests_total{verb="get"} 1\n'), /without verb or resource/)
})
