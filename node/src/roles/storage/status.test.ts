import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ENGINE_GAUGES, engineMetricName } from '../../admin/metric-table.ts'
import { openEngine } from '../../engine/mod.ts'

test('every figure of an engine has a line in the table of metrics, and the other way round', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-figures-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const engine = openEngine({
    path: join(folder, 'store'),
    sliceDurationMs: 86_400_000,
    memtableBytes: 1 << 20,
    blockCacheBytes: 4 << 20,
    versionCacheBytes: 64 << 10,
    incarnation: 'cluster/0/1/0:abc',
  })
  const names = Object.keys(engine.stats()).map(engineMetricName)
  await engine.close()
  assert.deepEqual(new Set(names), new Set(Object.keys(ENGINE_GAUGES)))
})
