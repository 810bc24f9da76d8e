/** Two series whose names a public hash takes for the same stay two, wherever pages are told apart. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpKind } from '@thermocline/protocol'
import { collidingNames } from './colliding-names.fixture.ts'
import { type OpenedEngine, openEngine } from './mod.ts'
import { applyBatch, buildEntry, pageVersionsRequest, peek, readBody, readScan, readVersions, scanRequest } from './model.ts'

const { first, second, block } = collidingNames()
const idOf = (at: number): bigint => BigInt(at) << 16n
const open = (): OpenedEngine =>
  openEngine({
    sliceDurationMs: 1000,
    memtableBytes: 1 << 20,
    blockCacheBytes: 1 << 20,
    versionCacheBytes: 1 << 16,
    incarnation: 'x',
    verifyOldRecords: true,
  })

let requests = 0

/** One operation of an entry that `engines` apply; the first of them is the proposer's. */
async function write(engines: readonly OpenedEngine[], series: Uint8Array, kind: number, at: number): Promise<void> {
  const proposer = engines[0] as OpenedEngine
  const requestId = new Uint8Array(16)
  new DataView(requestId.buffer).setUint32(0, ++requests)
  const value = kind === OpKind.put ? Uint8Array.of(at) : new Uint8Array(0)
  const request = { requestId, stamp: 0, outcome: 0, detail: new Uint8Array(8), series, ops: [{ kind, id: idOf(at), value }] }
  const { old } = await peek(proposer, block, request)
  const entry = buildEntry(0, 0, [{ ...request, old }])
  const index = proposer.appliedIndex(block) + 1
  for (const engine of engines) applyBatch(engine, [{ block, index, entry }])
}

async function flush(engine: OpenedEngine): Promise<void> {
  engine.rotate()
  await engine.flush()
}

async function recordsOf(engine: OpenedEngine, series: Uint8Array): Promise<number[]> {
  const { records } = readScan(await readBody(engine, 'scan', block, scanRequest(series, 0n, 2n ** 64n - 1n, 100, false), 'sync'))
  return records.map(({ value }) => value[0] as number)
}

test('a header of one series that a flush has left in memory is not taken for the other’s', async () => {
  const [never, flushed] = [open(), open()]
  await write([never, flushed], first, OpKind.put, 1)
  await flush(flushed)
  await write([never, flushed], second, OpKind.put, 2)
  assert.equal(flushed.digest(block), never.digest(block))
  // The header of the second is in no table of recent ones any more, and that of the first is.
  await flush(flushed)
  await flush(flushed)
  await write([never, flushed], first, OpKind.put, 3)
  await flush(flushed)
  await write([never, flushed], second, OpKind.put, 4)
  await flush(flushed)
  for (const engine of [never, flushed]) {
    assert.deepEqual(await recordsOf(engine, first), [1, 3])
    assert.deepEqual(await recordsOf(engine, second), [2, 4])
  }
  await write([never, flushed], second, OpKind.delete, 4)
  await write([never, flushed], second, OpKind.delete, 2)
  assert.equal(flushed.digest(block), never.digest(block))
  assert.deepEqual(await recordsOf(flushed, second), [])
  await never.close()
  await flushed.close()
})

test('the version cache has a version for each', async () => {
  const engine = open()
  await write([engine], first, OpKind.put, 1)
  await write([engine], second, OpKind.put, 2)
  const versions = async (series: Uint8Array) =>
    readVersions(await readBody(engine, 'pageVersions', block, pageVersionsRequest(series, [0]), 'sync')).versions
  assert.deepEqual([await versions(first), await versions(second)], [[1], [2]])
  await engine.close()
})

test('a record of one and the same record of the other are two elements of the digest', async () => {
  const [one, other] = [open(), open()]
  await write([one], first, OpKind.put, 1)
  // The same request id: the answer is the same element in both.
  requests--
  await write([other], second, OpKind.put, 1)
  assert.notEqual(one.digest(block), other.digest(block))
  await one.close()
  await other.close()
})
