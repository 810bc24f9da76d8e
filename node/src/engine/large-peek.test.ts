/** A write over large records asks what they are, and no thread takes their values along. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { blockOf, encodeSeries, OpKind } from '@thermocline/protocol'
import { openEngine } from './mod.ts'
import { applyBatch, buildEntry, type ModelOp, type ModelRequest, peek, readPeek, writeRequest } from './model.ts'

const MIB = 1 << 20
const SERIES = 'large'
const BLOCK = blockOf(encodeSeries(SERIES))
const RECORDS = 32
const PEEKS = 24
/** A quarter of what the values would take. */
const MOST_BYTES = (RECORDS * PEEKS * MIB) / 4

const requestOf = (index: number, ops: readonly ModelOp[]): ModelRequest => ({
  requestId: new Uint8Array(16).fill(index),
  stamp: index - 1,
  outcome: 0,
  detail: new Uint8Array(8),
  series: SERIES,
  ops,
})

test('many peeks from disk at once, over large records in memory, copy none of them', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'thermocline-peek-'))
  const sizes = { sliceDurationMs: 1000, memtableBytes: 64 * MIB, blockCacheBytes: MIB, versionCacheBytes: 64 << 10 }
  const engine = openEngine({ ...sizes, path, incarnation: 'c/0/1/0:abc' })
  t.after(async () => {
    await engine.close()
    rmSync(path, { recursive: true })
  })
  let index = 0
  const write = async (ops: readonly ModelOp[]): Promise<void> => {
    const request = requestOf(++index, ops)
    const { old } = await peek(engine, BLOCK, request)
    applyBatch(engine, [{ block: BLOCK, index, entry: buildEntry(0, 0, [{ ...request, old }]) }])
  }
  const ids = Array.from({ length: RECORDS + 2 }, (_, n) => BigInt(n))
  const [absent, flushed] = [BigInt(RECORDS), BigInt(RECORDS + 1)]
  await write([{ kind: OpKind.put, id: flushed, value: new Uint8Array(10) }])
  engine.rotate()
  await engine.flush()
  for (const id of ids.slice(0, RECORDS)) await write([{ kind: OpKind.put, id, value: new Uint8Array(MIB).fill(Number(id)) }])
  await write([{ kind: OpKind.delete, id: 0n, value: new Uint8Array(0) }])

  const request = requestOf(
    100,
    ids.map((id) => ({ kind: OpKind.put, id, value: new Uint8Array(1) })),
  )
  const wanted = await peek(engine, BLOCK, request)
  const body = writeRequest(request)
  const before = process.memoryUsage().rss
  const asked = Array.from({ length: PEEKS }, () => {
    const out = new Uint8Array(18 + 19 * ids.length)
    return engine.peekAsync(BLOCK, body, 0, body.length, out).then((length) => readPeek(out, length))
  })
  const grown = process.memoryUsage().rss - before
  for (const found of await Promise.all(asked)) assert.deepEqual(found, wanted)
  assert.deepEqual(
    wanted.old.map(({ exists }) => exists),
    ids.map((id) => id !== 0n && id !== absent),
  )
  assert.ok(grown < MOST_BYTES, `${grown} bytes`)
})
