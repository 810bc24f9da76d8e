import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Json, PAXOS_GROUP_KIND, resourceSchema } from './crd.ts'
import { API_GROUP, API_VERSION, PAXOS_GROUP } from './names.ts'
import { missingFields, publishedSchema } from './served-definition.ts'

const ours = (): Json => structuredClone(resourceSchema(PAXOS_GROUP_KIND))
const NAME = { group: API_GROUP, version: API_VERSION, kind: PAXOS_GROUP.kind }
type Fields = Record<string, { properties: Fields; items: { properties: Fields } }>

test('the schema is found in documents of both versions of OpenAPI', () => {
  const schema = { ...ours(), 'x-kubernetes-group-version-kind': [NAME] }
  assert.equal(publishedSchema({ components: { schemas: { other: {}, x: schema } } }, NAME), schema)
  assert.equal(publishedSchema({ definitions: { other: {}, x: schema } }, NAME), schema)
  assert.equal(publishedSchema({ definitions: {} }, NAME), undefined)
  assert.equal(publishedSchema(undefined, NAME), undefined)
})

test('fields that the server does not know are named, wherever they are; fields of its own are no matter', () => {
  assert.deepEqual(missingFields(ours(), ours()), [])
  const older = ours()
  const { spec, status } = older.properties as Fields
  delete spec?.properties.zones?.properties.policy
  delete spec?.properties.maintenance
  delete status?.properties.jobs?.items.properties.step
  Object.assign(spec?.properties ?? {}, { later: {} })
  assert.deepEqual(missingFields(ours(), older), ['spec.zones.policy', 'spec.maintenance', 'status.jobs[].step'])
  assert.deepEqual(missingFields(ours(), { 'x-kubernetes-preserve-unknown-fields': true }), [])
})
