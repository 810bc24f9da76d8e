import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CopyQueue } from './copy-queue.ts'

test('blocks leave in the order of their numbers, from where the last batch ended', () => {
  const queue = new CopyQueue()
  for (const block of [9, 3, 65_535, 4, 200, 3]) queue.add(block, 7)
  assert.deepEqual([queue.size, queue.sinceMs], [5, 7])
  assert.deepEqual(queue.take(2, 8), [3, 4])
  queue.add(1, 9)
  assert.deepEqual(queue.take(2, 9), [9, 200], 'what came behind waits for the next round')
  queue.beginAt(65_535)
  assert.deepEqual(queue.take(2, 9), [65_535])
  assert.deepEqual(queue.take(2, 9), [1])
  assert.deepEqual([queue.take(2, 9), queue.size], [[], 0])
})

test('a queue that is cleared holds nothing', () => {
  const queue = new CopyQueue()
  for (const block of [5, 6, 7]) queue.add(block, 0)
  queue.beginAt(6)
  assert.deepEqual(queue.clear(), [5, 6, 7])
  assert.equal(queue.size, 0)
})
