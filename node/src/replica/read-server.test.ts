/** What a read is answered with does not depend on where the engine found it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ByteReader, blockOf, ERRORS, encodeSeries, MAX_FRAME_BYTES, Operation, OpKind } from '@thermocline/protocol'
import { ask } from '../doors/ask.fixture.ts'
import { type OpenedEngine, openEngine } from '../engine/mod.ts'
import { applyBatch, buildEntry, getRequest, peek, writeRequest } from '../engine/model.ts'
import { PendingRead } from '../paxos/pending-read.ts'
import { ReadServer } from './read-server.ts'

const MIB = 1 << 20
/** At the disk at a time: kMostPendingReads of native/src/jobs.cc. */
const MOST_READS = 1024
const series = 'alice'
const block = blockOf(encodeSeries(series))
const ids = Array.from({ length: 9 }, (_, at) => BigInt(at + 1) << 16n)

async function fill(engine: OpenedEngine): Promise<void> {
  for (const [at, id] of ids.entries()) {
    const value = new Uint8Array(MIB).map((_, k) => (k * 2654435761 + at) >>> 13)
    const requestId = new Uint8Array(16).fill(at + 1)
    const request = { requestId, stamp: 0, outcome: 0, detail: new Uint8Array(8), series, ops: [{ kind: OpKind.put, id, value }] }
    const { old } = await peek(engine, block, request)
    applyBatch(engine, [{ block, index: at + 1, entry: buildEntry(0, 0, [{ ...request, old }]) }])
  }
}

const get = (server: ReadServer, wanted: readonly bigint[]): Promise<{ error: number; body: Uint8Array }> =>
  new Promise((resolve) => {
    const request = ask(Operation.get, getRequest(series, wanted), 1e9, (error, body) => resolve({ error, body: body.slice() }))
    server.serve(new PendingRead(block, request, 1e9))
  })

test('reads from disk are bounded and refused beyond it; flushes, installs and peeks wait behind none of them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reads-'))
  const options = { path: join(folder, 'e'), sliceDurationMs: 86_400_000, memtableBytes: 64 * MIB, blockCacheBytes: MIB }
  const open = () => openEngine({ ...options, versionCacheBytes: 64 << 10, incarnation: 'x' })
  try {
    let engine = open()
    await fill(engine)
    engine.rotate()
    await engine.flush()
    await engine.close()
    engine = open()
    const server = new ReadServer(engine)
    let left = 0
    const errors = new Map<number, number>()
    const reads: Promise<void>[] = []
    for (let read = 0; read < MOST_READS + 100; read++) {
      left++
      const done = get(server, [ids[read % ids.length] as bigint]).then(({ error, body }) => {
        left--
        errors.set(error, (errors.get(error) ?? 0) + 1)
        if (error === ERRORS.overloaded.number) assert.ok(new ByteReader(body.subarray(6)).u48() > 0, 'says when to come again')
      })
      reads.push(done)
    }
    const behind: Promise<number>[] = []
    const note = (work: Promise<unknown>) => behind.push(work.then(() => left))
    const target = openEngine({ ...options, path: join(folder, 'f'), versionCacheBytes: 64 << 10, incarnation: 'x' })
    engine.rotate()
    note(engine.flush())
    const request = { requestId: new Uint8Array(16), stamp: 0, outcome: 0, detail: new Uint8Array(8), series, ops: [] }
    const write = writeRequest({ ...request, ops: [{ kind: OpKind.delete, id: ids[0] as bigint, value: new Uint8Array(0) }] })
    note(engine.peekAsync(block, write, 0, write.length, new Uint8Array(64)))
    note(
      engine.snapshotOpen([block]).then(async ({ handle }) => {
        const part = await engine.snapshotRead(handle, 1000)
        await target.installPart(await target.installBegin([block]), part)
      }),
    )
    for (const leftThen of await Promise.all(behind)) assert.ok(leftThen > 0, 'reads were still under way')
    await Promise.all(reads)
    // Some may have been answered from memory meanwhile.
    const [answered, refused] = [errors.get(0) as number, errors.get(ERRORS.overloaded.number) as number]
    assert.deepEqual([answered + refused, answered >= MOST_READS, refused > 0], [MOST_READS + 100, true, true])
    await engine.close()
    await target.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a get that asks for more than one answer holds is refused, from memory and from disk', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reads-'))
  const options = { path: join(folder, 'e'), sliceDurationMs: 86_400_000, memtableBytes: 64 * MIB, blockCacheBytes: 4 * MIB }
  const open = () => openEngine({ ...options, versionCacheBytes: 64 << 10, incarnation: 'x' })
  try {
    let engine = open()
    await fill(engine)
    const check = async (server: ReadServer): Promise<void> => {
      const { error, body } = await get(server, ids)
      assert.equal(error, ERRORS.invalid_argument.number)
      assert.match(new TextDecoder().decode(body), /ids: the values of the first 6 of 9 take more than 6291456 bytes/)
      const fitting = await get(server, ids.slice(0, 5))
      assert.equal(fitting.error, 0)
      assert.ok(fitting.body.length > 5 * MIB && fitting.body.length < MAX_FRAME_BYTES)
    }
    const hot = new ReadServer(engine)
    await check(hot)
    assert.equal(hot.fromDisk, 0)
    engine.rotate()
    await engine.flush()
    await engine.close()
    engine = open()
    const cold = new ReadServer(engine)
    await check(cold)
    assert.deepEqual([cold.fromDisk, cold.failed], [2, 0])
    await engine.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a turn has room for some megabytes of answers, and for a number of reads that are handed to other threads', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reads-'))
  const options = { path: join(folder, 'e'), sliceDurationMs: 86_400_000, memtableBytes: 64 * MIB, blockCacheBytes: MIB }
  const open = () => openEngine({ ...options, versionCacheBytes: 64 << 10, incarnation: 'x' })
  try {
    let engine = open()
    await fill(engine)
    const served = async (server: ReadServer): Promise<number> => {
      const reads: Promise<unknown>[] = []
      for (server.beginTurn(); server.hasRoom() && reads.length < 1000; ) reads.push(get(server, [ids[0] as bigint]))
      await Promise.all(reads)
      return reads.length
    }
    const hot = new ReadServer(engine)
    for (let turn = 0; turn < 2; turn++) assert.equal(await served(hot), 2)
    engine.rotate()
    await engine.flush()
    await engine.close()
    engine = open()
    const cold = new ReadServer(engine)
    const handedOn = await served(cold)
    // Some are answered from memory once others have brought the record there.
    assert.ok(cold.fromDisk > 0 && handedOn < 256, `${handedOn} reads`)
    await engine.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
