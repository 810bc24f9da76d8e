import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Phase, phaseTable } from './phase.ts'

test('a table of phases has a line for each, and its columns stand below each other', () => {
  const quiet = new Phase('quiet')
  for (const ms of [1, 2, 300]) quiet.writes.add(ms)
  quiet.reads.add(4)
  const killed = new Phase('killed')
  killed.failures = 2
  assert.deepEqual(phaseTable([quiet, killed]), [
    'phase   writes  p50    p99   most  reads  p50  p99  most  failed',
    'quiet        3  2.0  300.0  300.0      1  4.0  4.0   4.0       0',
    'killed       0  0.0    0.0    0.0      0  0.0  0.0   0.0       2',
  ])
})
