import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSeed } from './run-seed.ts'

test('the same seed gives the same run, to the event', async () => {
  const first = await runSeed(7)
  const again = await runSeed(7)
  assert.equal(first.error, undefined)
  assert.deepEqual(again.traceHash, first.traceHash)
  assert.deepEqual(again.hits, first.hits)
})

// Each of these found a bug once: docs say of each commit which.
for (const seed of [6, 68, 78, 106, 118, 185, 245, 320, 398, 455, 474, 1053, 1082, 1217, 1263, 1392, 1578, 1843, 1936, 2103, 2132]) {
  test(`seed ${seed}, which failed once, passes`, async () => {
    const { error } = await runSeed(seed)
    assert.equal(error, undefined, error?.stack)
  })
}
