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
