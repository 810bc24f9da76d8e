import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RETRY_BACKOFF } from './bounds.ts'
import { WorkQueue } from './work-queue.ts'

test('a key added many times is taken once, in the order of the first time', () => {
  const queue = new WorkQueue()
  for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key)
  assert.equal(queue.depth, 3)
  assert.deepEqual([queue.take(0), queue.take(0), queue.take(0), queue.take(0)], ['a', 'b', 'c', undefined])
})

test('a key added while it is processed comes again after, not before', () => {
  const queue = new WorkQueue()
  queue.add('a')
  assert.equal(queue.take(0), 'a')
  queue.add('a')
  assert.equal(queue.take(0), undefined)
  queue.done('a')
  assert.equal(queue.take(0), 'a')
  queue.done('a')
  assert.equal(queue.take(0), undefined)
})

test('what waits comes at the earliest time asked for, or at once when added', () => {
  const queue = new WorkQueue()
  queue.addAt('a', 100)
  queue.addAt('a', 50)
  queue.addAt('a', 200)
  queue.addAt('b', 60)
  assert.equal(queue.take(49), undefined)
  assert.equal(queue.nextAtMs(49), 50)
  assert.equal(queue.take(50), 'a')
  queue.add('b')
  assert.equal(queue.take(50), 'b')
  queue.done('a')
  queue.done('b')
  assert.equal(queue.nextAtMs(50), undefined)
  assert.equal(queue.take(1000), undefined)
})

test('failures wait longer each time up to the cap, and no shorter than the server wished; success forgets them', () => {
  const queue = new WorkQueue()
  const waits: number[] = []
  for (let i = 0; i < 20; i++) {
    queue.add('a')
    queue.take(0)
    queue.retry('a', 0, 0)
    queue.done('a')
    waits.push(queue.nextAtMs(0) as number)
  }
  assert.deepEqual(waits.slice(0, 4), [500, 1000, 2000, 4000])
  assert.equal(waits.at(-1), RETRY_BACKOFF.mostMs)
  assert.equal(queue.failuresOf('a'), 20)
  queue.forget('a')
  queue.add('a')
  queue.take(0)
  queue.retry('a', 0, 0.999, 7000)
  queue.done('a')
  assert.equal(queue.nextAtMs(0), 7000)
})

type Step = readonly ['add' | 'later' | 'take' | 'done' | 'fail' | 'pass', number]

test('no key is lost and none is worked on twice at once, whatever the order of calls', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('add', 'later', 'take', 'done', 'fail', 'pass'), fc.nat(4)), { maxLength: 200 })
  fc.assert(
    fc.property(steps, (calls) => {
      const queue = new WorkQueue()
      const owed = new Set<string>()
      const taken = new Set<string>()
      let nowMs = 0
      const take = (): string | undefined => {
        const key = queue.take(nowMs)
        if (key === undefined) return undefined
        assert.ok(!taken.has(key), `${key} is with two workers`)
        taken.add(key)
        owed.delete(key)
        return key
      }
      for (const [call, n] of calls as readonly Step[]) {
        const key = `k${n}`
        if (call === 'add') {
          queue.add(key)
          owed.add(key)
        } else if (call === 'later') {
          queue.addAt(key, nowMs + n * 100)
          owed.add(key)
        } else if (call === 'take') take()
        else if (call === 'pass') nowMs += n * 50
        else if (taken.delete(key)) {
          if (call === 'fail') {
            queue.retry(key, nowMs, n / 5)
            owed.add(key)
          }
          queue.done(key)
        }
      }
      // Everything owed comes, once the workers are done and time has passed.
      for (const key of taken) queue.done(key)
      taken.clear()
      for (let round = 0; round < 20; round++) {
        const nextMs = queue.nextAtMs(nowMs)
        if (nextMs !== undefined) nowMs = Math.max(nowMs, nextMs)
        const key = take()
        if (key === undefined) break
        queue.done(key)
        taken.delete(key)
      }
      assert.deepEqual([...owed], [])
      assert.equal(queue.depth, 0)
    }),
    { numRuns: 2000 },
  )
})
