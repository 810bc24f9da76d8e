import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ObjectCache } from './object-cache.ts'
import type { KubeObject } from './ports.ts'

const object = (name: string, resourceVersion: string, label = 'x', uid = 'u'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'ns', name, uid, resourceVersion, labels: { label }, managedFields: [{}] },
})
const told = (objects: readonly KubeObject[]): string[] => objects.map(({ metadata }) => `${metadata.name} ${metadata.labels?.label}`)

test('a list tells what came, changed, was replaced and went, as it was and as it is', () => {
  const cache = new ObjectCache()
  assert.equal(cache.resourceVersion, undefined)
  assert.deepEqual(told(cache.replace({ items: [object('a', '1'), object('b', '2'), object('c', '3')], resourceVersion: '9' })), [
    'a x',
    'b x',
    'c x',
  ])
  const next = [object('a', '1'), object('b', '5', 'y'), object('d', '6')]
  assert.deepEqual(told(cache.replace({ items: next, resourceVersion: '10' })), ['b x', 'b y', 'd x', 'c x'])
  assert.deepEqual([cache.resourceVersion, cache.size, cache.get({ namespace: 'ns', name: 'c' })], ['10', 3, undefined])
  assert.deepEqual(told(cache.replace({ items: [...next.slice(1), object('a', '1', 'x', 'another')], resourceVersion: '11' })), [
    'a x',
    'a x',
  ])
})

test('each event moves the version that a watch goes on from', () => {
  const cache = new ObjectCache()
  cache.replace({ items: [], resourceVersion: '1' })
  assert.deepEqual(told(cache.note({ type: 'ADDED', object: object('a', '2') })), ['a x'])
  assert.equal(cache.resourceVersion, '2')
  assert.deepEqual(cache.note({ type: 'BOOKMARK', resourceVersion: '5' }), [])
  assert.equal(cache.resourceVersion, '5')
  assert.deepEqual(told(cache.note({ type: 'MODIFIED', object: object('a', '6', 'y') })), ['a x', 'a y'])
  assert.equal(cache.all()[0]?.metadata.managedFields, undefined)
  assert.deepEqual(told(cache.note({ type: 'DELETED', object: object('a', '7', 'z') })), ['a y', 'a z'])
  assert.deepEqual([cache.resourceVersion, cache.size], ['7', 0])
})
