import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Collection } from './collection.ts'
import type { Item } from './ports.ts'

function makeCollection(bounds: { totalMs?: number; maxBytes?: number; parallel?: number } = {}) {
  const written = new Map<string, string>()
  const clock = { ms: 0 }
  const archive = {
    add: async (path: string, body: Uint8Array) => {
      written.set(path, Buffer.from(body).toString())
    },
  }
  return { written, clock, collection: new Collection({ archive, nowMs: () => clock.ms, say: () => {}, ...bounds }) }
}

const item = (path: string, read: Item['read']): Item => ({ path, source: `source of ${path}`, read })

test('what fails is an entry, what is whole and what is not are told apart, and names stay apart', async () => {
  const { collection, written } = makeCollection()
  await collection.addAll([
    item('a', async () => ({ body: 'x' })),
    item('a', async () => ({ body: 'y', partial: 'the half of it' })),
    item('b', async () => Promise.reject(new Error('no\n such "token": "abc" thing'))),
  ])
  assert.deepEqual(
    [...written],
    [
      ['a', 'x'],
      ['a~2', 'y'],
    ],
  )
  assert.deepEqual(
    new Set(collection.entries.map(({ path, state, reason }) => [path, state, reason])),
    new Set([
      ['a', 'collected', undefined],
      ['a~2', 'partial', 'the half of it'],
      ['b', 'failed', 'no such "token": "[left out]" thing'],
    ]),
  )
})

test('no more items at once than there is room for, and each has its turn', async () => {
  const { collection } = makeCollection({ parallel: 3 })
  let atOnce = 0
  let most = 0
  await collection.addAll(
    Array.from({ length: 20 }, (_, n) =>
      item(String(n), async () => {
        most = Math.max(most, ++atOnce)
        await new Promise((resolve) => setImmediate(resolve))
        atOnce--
        return { body: '' }
      }),
    ),
  )
  assert.deepEqual([most, collection.entries.length], [3, 20])
})

test('after the time or the room is over nothing is read, and the index says so', async () => {
  const { collection, clock, written } = makeCollection({ totalMs: 1000, maxBytes: 5, parallel: 1 })
  await collection.add(item('a', async () => ({ body: '12345' })))
  await collection.add(item('b', async () => assert.fail('read')))
  clock.ms = 1000
  await collection.add(item('c', async () => assert.fail('read')))
  assert.deepEqual([...written.keys()], ['a'])
  assert.deepEqual(
    collection.entries.slice(1).map(({ state, reason }) => [state, reason]),
    [
      ['left-out', 'the bundle has the 5 bytes that it may have'],
      ['left-out', 'the 1 s for the whole bundle were over'],
    ],
  )
})

test('a secret of ours is hidden in all that is written or told', async () => {
  const said: string[] = []
  const { collection, written } = makeCollection()
  collection.hide('our-own-credential')
  await collection.add(item('a', async () => ({ body: 'x our-own-credential y' })))
  collection.miss('b', 'with our-own-credential', 'refused our-own-credential')
  assert.doesNotMatch(JSON.stringify([[...written], collection.entries, said]), /our-own/)
})
