import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, spread } from './statistics.ts'

test('the median of an odd number is the middle, of an even number the mean of the middle two', () => {
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(median([7]), 7)
  assert.throws(() => median([]), /no values/)
})

test('a spread keeps the extremes', () => {
  assert.deepEqual(spread([3, 1, 2]), { median: 2, least: 1, most: 3 })
})
