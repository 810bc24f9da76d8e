import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LANES } from '../../tier/tier.ts'
import { BUCKETS, LANE_NAMES, ValidationTimes } from './validation-times.ts'

test('a time counts in its bucket and in all above it, in its lane alone', () => {
  const times = new ValidationTimes()
  for (const ms of [0.4, 1, 1.5, 60, 9000]) times.note(1, ms)
  assert.deepEqual(times.of(1).counts, [1, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5])
  assert.ok(Math.abs(times.of(1).sumSeconds - 9.0629) < 1e-9)
  assert.equal(times.of(0).counts.at(-1), 0)
  assert.equal(times.of(1).counts.length, BUCKETS.length + 1)
  assert.equal(LANE_NAMES.length, LANES)
})
