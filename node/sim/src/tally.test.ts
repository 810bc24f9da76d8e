import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { addResult, openTally, saveTally } from './tally.ts'
import { Violation } from './violation.ts'

test('a run that was ended goes on where it was', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tally-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'checkpoint.json')
  const tally = openTally(path, 7)
  const result = { traceHash: 0, events: 1, simulatedMs: 1, operations: 3, hits: { 'fault.crash': 2 } }
  addResult(tally, { ...result, seed: 7, error: undefined })
  addResult(tally, { ...result, seed: 8, error: new Violation('linearizable', 'a stale read') })
  saveTally(path, tally)
  const again = openTally(path, 7)
  assert.deepEqual(again, { from: 7, next: 9, operations: 6, failures: { 8: 'linearizable: a stale read' }, hits: { 'fault.crash': 4 } })
  assert.throws(() => openTally(path, 8), /holds a run from seed 7/)
})
