/** After a restore, and after a forced recovery, versions that a cache holds from before count for nothing (⚖18). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blockOf, encodeSeries, OpKind, PageVerdict } from '@thermocline/protocol'
import { HeldPages } from './held-pages.fixture.ts'
import { createMemoryStore, openEngine } from './mod.ts'
import { applyBatch, buildEntry, peek } from './model.ts'

test('a cache of another restore generation gets the whole page, and no more “unchanged”', async () => {
  const engine = openEngine(
    { sliceDurationMs: 1000, memtableBytes: 1 << 20, blockCacheBytes: 1 << 20, versionCacheBytes: 16 << 10, incarnation: 't' },
    createMemoryStore(),
  )
  const block = blockOf(encodeSeries('alice'))
  const ops = [{ kind: OpKind.put, id: 1n << 16n, value: new Uint8Array(5) }]
  const request = { requestId: new Uint8Array(16), stamp: 0, outcome: 0, detail: new Uint8Array(8), series: 'alice', ops }
  const { old } = await peek(engine, block, request)
  applyBatch(engine, [{ block, index: 1, entry: buildEntry(0, 1, [{ ...request, old }]) }])
  const held = new HeldPages()
  const verdicts = async (): Promise<number[]> => {
    held.verdicts.clear()
    for (const mode of ['sync', 'async'] as const) await held.validate(engine, 'alice', [0], mode)
    return [...held.verdicts]
  }
  assert.deepEqual(await verdicts(), [PageVerdict.page, PageVerdict.unchanged])
  engine.setRestoreGeneration(1)
  assert.deepEqual(await verdicts(), [PageVerdict.page])
  engine.setRestoreGeneration(0)
  assert.deepEqual(await verdicts(), [PageVerdict.unchanged])
  await engine.close()
})
