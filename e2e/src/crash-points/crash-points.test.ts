/** The share of the sweep that every run of the tests takes; `make crash-points` tries all points. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTemporaryFolder, removeTemporaryFolder } from '../temporary-folder.ts'
import { sweepRun } from './sweep.ts'

const skip = process.platform === 'linux' ? false : 'needs LD_PRELOAD'

test('a power cut at any point of a run loses nothing acknowledged', { skip, timeout: 240_000 }, async (t) => {
  const folder = makeTemporaryFolder()
  t.after(() => removeTemporaryFolder(folder))
  const { text, failures } = await sweepRun(folder, { seed: 1, share: 0.05, mixes: 1 })
  t.diagnostic(text)
  assert.deepEqual(failures, [])
})
