import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lane } from '../../tier/tier.ts'
import { ValidationLane } from './validation-lane.ts'

test('one validation of held pages at a time; one that is late holds up no other, until there are eight', () => {
  const lane = new ValidationLane(Lane.held)
  assert.equal(lane.waitMs(1, 100), 0)
  lane.begin(3, 100)
  assert.equal(lane.waitMs(1, 101), 4)
  assert.equal(lane.waitMs(1, 105), 0)
  for (let at = 1; at < 8; at++) lane.begin(1, 100 + 5 * at)
  assert.equal(lane.waitMs(1, 1000), Number.POSITIVE_INFINITY)
  lane.end()
  assert.equal(lane.waitMs(1, 1000), 0)
})

test('after a large one the next waits to be nearly as large, for two milliseconds', () => {
  const lane = new ValidationLane(Lane.held)
  lane.begin(100, 100)
  lane.end()
  assert.equal(lane.waitMs(6, 100.5), 1.5)
  assert.equal(lane.waitMs(75, 100.5), 0)
  assert.equal(lane.waitMs(6, 102), 0)
})

test('after a small one the next begins at once', () => {
  const lane = new ValidationLane(Lane.held)
  lane.begin(15, 100)
  lane.end()
  assert.equal(lane.waitMs(1, 100), 0)
})

test('pages that are missing travel in four at a time, and wait for no company', () => {
  const lane = new ValidationLane(Lane.missing)
  for (let at = 0; at < 4; at++) {
    assert.equal(lane.waitMs(1, 100), 0)
    lane.begin(64, 100)
  }
  assert.equal(lane.waitMs(1, 101), 4)
  lane.end()
  assert.equal(lane.waitMs(1, 101), 0)
})
