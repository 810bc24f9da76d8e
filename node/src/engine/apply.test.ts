/** Entries that cannot be applied: what a malformed batch changes, and what an entry that contradicts the state ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpKind } from '@thermocline/protocol'
import { type OpenOptions, openEngine } from './mod.ts'
import { applyBatch, buildBatch, buildEntry, type ModelOp, type ModelRequest } from './model.ts'

const options: OpenOptions = {
  sliceDurationMs: 86_400_000,
  memtableBytes: 1 << 20,
  blockCacheBytes: 4 << 20,
  versionCacheBytes: 64 << 10,
  incarnation: 'cluster/0/1/0:abc',
  verifyOldRecords: true,
}

const ms = (value: number): bigint => BigInt(value) << 16n
const put = (id: bigint, value: string): ModelOp => ({ kind: OpKind.put, id, value: new TextEncoder().encode(value) })

let requests = 0
function request(ops: readonly ModelOp[]): ModelRequest {
  const requestId = new Uint8Array(16)
  new DataView(requestId.buffer).setUint32(0, ++requests)
  return { requestId, stamp: 0, outcome: 0, detail: new Uint8Array(8), series: 's', ops }
}

test('a malformed batch or a misplaced entry throws and nothing of the batch is applied', async () => {
  const engine = openEngine(options)
  const good = buildEntry(0, 0, [{ ...request([put(ms(1), 'v')]), old: [] }])
  const out = new Uint8Array(1024)
  const digest = engine.digest(1)
  const refuse = (bytes: Uint8Array, length = bytes.length): void => {
    assert.throws(() => engine.apply(bytes, length, out), { name: 'RangeError' })
    assert.equal(engine.appliedIndex(1), 0)
    assert.equal(engine.digest(1), digest)
  }
  const batch = buildBatch([{ block: 1, index: 1, entry: good }])
  for (let length = 0; length < batch.length; length++) refuse(batch, length)
  refuse(buildBatch([{ block: 1, index: 2, entry: good }]))
  refuse(
    buildBatch([
      { block: 1, index: 1, entry: good },
      { block: 1, index: 1, entry: good },
    ]),
  )
  assert.throws(() => engine.apply(batch, batch.length, new Uint8Array(14)), RangeError)
  assert.equal(engine.appliedIndex(1), 0)
  assert.equal(engine.apply(batch, batch.length, new Uint8Array(15)), 15)
  await engine.close()
})

test('an entry that cannot be applied ends its batch there, and breaks its own block alone', async () => {
  const good = buildEntry(0, 0, [{ ...request([put(ms(1), 'v')]), old: [] }])
  const newer = good.slice()
  newer[0] = 3
  const flipped = good.slice()
  flipped[flipped.length - 1] = (flipped.at(-1) as number) ^ 1
  const replaces = buildEntry(0, 0, [
    { ...request([put(ms(2), 'w')]), old: [{ exists: true, version: 1, size: 1, hash: new Uint8Array(8) }] },
  ])
  const bad: [Uint8Array, RegExp][] = [
    [good.subarray(0, good.length - 1), /checksum/],
    [newer, /version 3/],
    [flipped, /checksum/],
    [Buffer.concat([good, Buffer.of(0)]), /checksum/],
    [replaces, /old record/],
  ]
  for (const [entry, why] of bad) {
    const engine = openEngine(options)
    applyBatch(engine, [{ block: 2, index: 1, entry: buildEntry(0, 0, [{ ...request([put(ms(1), 'old')]), old: [] }]) }])
    const out = new Uint8Array(1024)
    const batch = buildBatch([
      { block: 1, index: 1, entry: good },
      { block: 2, index: 2, entry },
      { block: 3, index: 1, entry: good },
    ])
    assert.equal(engine.apply(batch, batch.length, out), -2)
    assert.match(engine.refusal(), why)
    assert.deepEqual([engine.appliedIndex(1), engine.appliedIndex(3)], [1, 0])
    assert.equal(out[0], 0, 'the entry before it is answered')
    const rest = buildBatch([{ block: 3, index: 1, entry: good }])
    assert.equal(engine.apply(rest, rest.length, out), 15, 'other blocks go on')
    const next = buildBatch([{ block: 2, index: engine.appliedIndex(2) + 1, entry: good }])
    assert.equal(engine.apply(next, next.length, out), -1)
    assert.match(engine.refusal(), /earlier entry/)
    await engine.close()
  }
})
