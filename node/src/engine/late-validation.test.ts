/** A read from disk ends some time after it was asked: what it may tell the version cache by then. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blockOf, encodeSeries, OpKind } from '@thermocline/protocol'
import { HeldPages } from './held-pages.fixture.ts'
import { createMemoryStore, openEngine } from './mod.ts'
import { applyBatch, buildEntry, type ModelRequest, peek } from './model.ts'

const SERIES = 's'
const BLOCK = blockOf(encodeSeries(SERIES))

test('a validation from disk is answered from when it was asked, and tells the version cache only if nothing was applied since', async () => {
  const store = createMemoryStore()
  const engine = openEngine(
    { sliceDurationMs: 1000, memtableBytes: 1 << 20, blockCacheBytes: 0, versionCacheBytes: 64 << 10, incarnation: 'c/0/1/0:abc' },
    store,
  )
  const write = async (index: number): Promise<void> => {
    const ops = [{ kind: OpKind.put, id: BigInt(index), value: new Uint8Array([index]) }]
    const request: ModelRequest = {
      requestId: new Uint8Array(16).fill(index),
      stamp: 0,
      outcome: 0,
      detail: new Uint8Array(8),
      series: SERIES,
      ops,
    }
    const { old } = await peek(engine, BLOCK, request)
    applyBatch(engine, [{ block: BLOCK, index, entry: buildEntry(0, 0, [{ ...request, old }]) }])
  }
  const readLater = (held: HeldPages) => store.defer(() => held.validate(engine, SERIES, [0], 'async'))
  const look = async (held: HeldPages) => (await held.validate(engine, SERIES, [0], 'sync')).pages[0]?.version
  await write(1)

  const fresh = new HeldPages()
  const inTime = readLater(fresh)
  assert.equal(await look(new HeldPages()), 1, 'it holds nobody up')
  inTime.proceed()
  assert.equal((await inTime.answer).pages[0]?.version, 1)

  const stale = new HeldPages()
  const late = readLater(stale)
  await write(2)
  late.proceed()
  assert.equal((await late.answer).pages[0]?.version, 1)
  assert.equal(await look(stale), 2, 'what has changed is not called unchanged')
  await engine.close()
})
