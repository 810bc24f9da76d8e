/** From its begin to its end an install shows nothing of its block: neither to reads, nor to the version cache. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { native } from '@thermocline/native'
import { blockOf, encodeSeries, OpKind } from '@thermocline/protocol'
import { openBatch, readParts } from './copy.fixture.ts'
import { HeldPages } from './held-pages.fixture.ts'
import { createMemoryStore, type OpenedEngine, openEngine } from './mod.ts'
import { applyBatch, buildEntry, getRequest, pageVersionsRequest, peek, readBody, readGet, scanRequest, writeRequest } from './model.ts'

const series = 's'
const block = blockOf(encodeSeries(series))
const id = 5n << 16n
const options = { sliceDurationMs: 1000, memtableBytes: 1 << 20, blockCacheBytes: 0, versionCacheBytes: 1 << 16, incarnation: 'x' }
const LATER_BYTES = 3

/** `engines` apply entry i; the first of them is the proposer's. */
async function apply(engines: readonly OpenedEngine[], index: number): Promise<void> {
  const ops = [{ kind: OpKind.put, id, value: Uint8Array.of(index) }]
  const request = { requestId: new Uint8Array(16).fill(index), stamp: 0, outcome: 0, detail: new Uint8Array(8), series, ops }
  const { old } = await peek(engines[0] as OpenedEngine, block, request)
  const entry = buildEntry(0, 0, [{ ...request, old }])
  for (const engine of engines) applyBatch(engine, [{ block, index, entry }])
}

async function flush(engine: OpenedEngine): Promise<void> {
  engine.rotate()
  await engine.flush()
}

const idOf = (engine: OpenedEngine): number => (engine as unknown as { id: number }).id
const read = async (engine: OpenedEngine) =>
  readGet(await readBody(engine, 'get', block, getRequest(series, [id]), 'sync'), [id]).records[0]?.version

test('a block is not read while a snapshot replaces it, and no version of the old content outlives that', async () => {
  const store = createMemoryStore()
  const [source, target] = [openEngine(options), openEngine(options, store)]
  for (let index = 1; index <= 10; index++) {
    await apply([source, target], index)
    if (index === 5) await flush(target)
  }
  for (let index = 11; index <= 20; index++) await apply([source], index)
  await flush(source)
  const late = new HeldPages()
  const early = store.defer(() => late.validate(target, series, [0], 'async'))
  const head = await openBatch(source, [block])
  const refused = { code: 'unavailable', message: /is being replaced by a snapshot/ }
  const requests = [
    ['get', getRequest(series, [id])],
    ['scan', scanRequest(series, 0n, id, 1, false)],
    ['pageVersions', pageVersionsRequest(series, [0])],
  ] as const
  const write = writeRequest({ requestId: new Uint8Array(16), stamp: 0, outcome: 0, detail: new Uint8Array(8), series, ops: [] })
  const seesNothing = async (): Promise<void> => {
    const out = new Uint8Array(1024)
    for (const [name, body] of requests) {
      assert.throws(() => target[name](block, body, 0, body.length, out, 0), refused)
      await assert.rejects(async () => await target[`${name}Async`](block, body, 0, body.length), refused)
    }
    assert.throws(() => target.peek(block, write, 0, write.length, out), refused)
    const held = new HeldPages()
    await assert.rejects(held.validate(target, series, [0], 'async'), refused)
    const body = held.request(series, [0])
    assert.equal(target.validate(body, 0, body.length, new Float64Array(1), 1, out), LATER_BYTES)
  }
  const install = await target.installBegin([block])
  await seesNothing()
  for (const part of await readParts(source, head, () => 512 * 1024)) await target.installPart(install, part)
  // As `installEnd` does it, stopped where RocksDB would make the new tables visible.
  await native.installPart(idOf(target), install, new Uint8Array(0))
  const number = native.deferNext(store.handle)
  const ending = native.installEnd(idOf(target), install)
  await seesNothing()
  // What had been read before tells the version cache nothing any more.
  early.proceed()
  assert.equal((await early.answer).pages[0]?.version, 10)
  native.proceed(store.handle, number)
  await ending
  assert.equal(await read(target), 20)
  assert.equal((await late.validate(target, series, [0], 'sync')).pages[0]?.version, 20)
  await target.close()
  await source.close()
})

test('an install that is given up leaves its block as it was', async () => {
  const engine = openEngine(options)
  await apply([engine], 1)
  const install = await engine.installBegin([block])
  await assert.rejects(read(engine), { code: 'unavailable' })
  await engine.installAbort(install)
  assert.equal(await read(engine), 1)
  await engine.close()
})
