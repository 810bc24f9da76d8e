import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventQueue, type TimedEvent } from './event-queue.ts'
import { Random } from './random.ts'

test('events come in the order of their times, those of one time in the order of their sequence, whatever was taken between', () => {
  const random = new Random(1)
  for (let run = 0; run < 50; run++) {
    const queue = new EventQueue<TimedEvent>()
    const expected: TimedEvent[] = []
    for (let sequence = 0; sequence < 200; sequence++) {
      const event = { atMs: random.below(20), sequence }
      queue.push(event)
      expected.push(event)
      if (!random.chance(0.4)) continue
      expected.sort((a, b) => a.atMs - b.atMs || a.sequence - b.sequence)
      assert.equal(queue.first, expected[0])
      assert.equal(queue.pop(), expected.shift())
    }
    expected.sort((a, b) => a.atMs - b.atMs || a.sequence - b.sequence)
    for (const event of expected) assert.equal(queue.pop(), event)
    assert.equal(queue.pop(), undefined)
    assert.equal(queue.first, undefined)
  }
})
