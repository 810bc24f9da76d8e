/** Numbers that stand for something else (a directory in place of a slice, "nothing held" in place of a version) mean it in their own place alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blockOf, DIRECTORY_SLICE, encodeSeries, OpKind } from '@thermocline/protocol'
import { HeldPages } from './held-pages.fixture.ts'
import { type OpenedEngine, openEngine } from './mod.ts'
import { applyBatch, buildEntry, pageVersionsRequest, peek, readBody } from './model.ts'

const SLICE_MS = 1000
const series = 'alice'
const block = blockOf(encodeSeries(series))
const options = { sliceDurationMs: SLICE_MS, memtableBytes: 1 << 20, blockCacheBytes: 1 << 20, versionCacheBytes: 192, incarnation: 'x' }

async function put(engine: OpenedEngine, slice: number): Promise<void> {
  const index = engine.appliedIndex(block) + 1
  const requestId = new Uint8Array(16).fill(index)
  const ops = [{ kind: OpKind.put, id: BigInt(slice * SLICE_MS) << 16n, value: Uint8Array.of(index) }]
  const request = { requestId, stamp: 0, outcome: 0, detail: new Uint8Array(8), series, ops }
  const { old } = await peek(engine, block, request)
  applyBatch(engine, [{ block, index, entry: buildEntry(0, 0, [{ ...request, old }]) }])
}

test('nobody who asks for versions can put one for a directory into the version cache', async () => {
  const engine = openEngine(options)
  const body = pageVersionsRequest(series, [0, DIRECTORY_SLICE])
  const poke = async (): Promise<void> => {
    // The version cache holds eight pages: what is asked for here was read anew, had it been answered.
    for (let slice = 0; slice < 12; slice++) await readBody(engine, 'pageVersions', block, pageVersionsRequest('other', [slice]), 'sync')
    assert.throws(() => engine.pageVersions(block, body, 0, body.length, new Uint8Array(64), 0), { code: 'bad_frame' })
    await assert.rejects(async () => await engine.pageVersionsAsync(block, body, 0, body.length), { code: 'bad_frame' })
  }
  const held = new HeldPages()
  await put(engine, 0)
  await poke()
  assert.deepEqual((await held.validate(engine, series, [DIRECTORY_SLICE], 'sync')).pages[0]?.slices, [0])
  await put(engine, 7)
  await poke()
  assert.deepEqual((await held.validate(engine, series, [DIRECTORY_SLICE], 'sync')).pages[0]?.slices, [7, 0])
  await engine.close()
})

test('slices are so long that no page has the number of a directory', () => {
  assert.throws(() => openEngine({ ...options, sliceDurationMs: 1 }), { code: 'ERR_OUT_OF_RANGE' })
})
