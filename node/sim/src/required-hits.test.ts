import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neverMet, REQUIRED_HITS } from './required-hits.ts'
import { runSeed } from './run-seed.ts'

test('what was never met is named, and every required name is one that runs count', async () => {
  const all = Object.fromEntries(REQUIRED_HITS.map((name) => [name, 1]))
  assert.deepEqual(neverMet(all), [])
  assert.deepEqual(neverMet({ ...all, 'fault.swizzle': 0 }), ['fault.swizzle'])
  // One with a memory tier: it counts everything.
  const { hits } = await runSeed(2)
  const counted = REQUIRED_HITS.filter((name) => !name.startsWith('client.'))
  assert.deepEqual(
    counted.filter((name) => !(name in hits)),
    [],
  )
})
