/** A block's digest is keyed by what its first entry carries: replicas agree on it, over flushes, restarts and copies, and no client can compute it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { DIGEST_KEY_BYTES, OpKind } from '@thermocline/protocol'
import { copyBlocks } from './copy.fixture.ts'
import { createMemoryStore, type OpenedEngine, openEngine } from './mod.ts'
import { applyBatch, buildEntry, peek, withKey } from './model.ts'

const BLOCK = 7
const options = {
  sliceDurationMs: 1000,
  memtableBytes: 1 << 20,
  blockCacheBytes: 1 << 20,
  versionCacheBytes: 1 << 16,
  incarnation: 'x',
  verifyOldRecords: true,
}
const folder = mkdtempSync(join(tmpdir(), 'digest-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const key = (byte: number): Uint8Array => new Uint8Array(DIGEST_KEY_BYTES).fill(byte)

/** What entry i of the block is; the first carries `digestKey`. The old records are asked of `proposer`. */
async function entryOf(proposer: OpenedEngine, index: number, digestKey: Uint8Array): Promise<Uint8Array> {
  const ops = [1, 2].map((at) => ({
    kind: index % 5 === 0 ? OpKind.delete : OpKind.put,
    id: BigInt(at * (index % 3)) << 20n,
    value: new Uint8Array(index % 5 === 0 ? 0 : index),
  }))
  const [first, second] = ops
  const distinct = first?.id === second?.id ? [first] : ops
  const made = {
    requestId: new Uint8Array(16).fill(index),
    stamp: 0,
    outcome: 0,
    detail: new Uint8Array(8),
    series: 's',
    ops: distinct as typeof ops,
  }
  const { old } = await peek(proposer, BLOCK, made)
  const entry = buildEntry(index > 15 ? index - 10 : 0, 0, [{ ...made, old }])
  return index === 1 ? withKey(entry, digestKey) : entry
}

async function apply(engines: readonly OpenedEngine[], from: number, to: number, digestKey: Uint8Array): Promise<void> {
  for (let index = from; index <= to; index++) {
    const entry = await entryOf(engines[0] as OpenedEngine, index, digestKey)
    for (const engine of engines) applyBatch(engine, [{ block: BLOCK, index, entry }])
  }
}

async function flush(engine: OpenedEngine): Promise<void> {
  engine.rotate()
  await engine.flush()
}

test('replicas that flush, restart and copy at other times have one digest', async () => {
  const store = createMemoryStore()
  const disk = { ...options, path: join(folder, 'a') }
  const never = openEngine(options)
  let [inMemory, onDisk] = [openEngine(options, store), openEngine(disk)]
  const agree = (...engines: readonly OpenedEngine[]) => assert.equal(new Set(engines.map((engine) => engine.digest(BLOCK))).size, 1)
  await apply([never, inMemory, onDisk], 1, 9, key(1))
  agree(never, inMemory, onDisk)
  await flush(inMemory)
  await flush(onDisk)
  await inMemory.close()
  await onDisk.close()
  inMemory = openEngine(options, store)
  onDisk = openEngine(disk)
  agree(never, inMemory, onDisk)
  await apply([never, inMemory, onDisk], 10, 30, key(1))
  agree(never, inMemory, onDisk)
  await flush(onDisk)
  const copied = openEngine(options)
  // What it had was under another key, in memory and on disk.
  await apply([copied], 1, 12, key(2))
  await flush(copied)
  await apply([copied], 13, 14, key(2))
  await copyBlocks(onDisk, copied, [BLOCK], 400)
  agree(never, inMemory, onDisk, copied)
  await apply([never, inMemory, onDisk, copied], 31, 60, key(1))
  agree(never, inMemory, onDisk, copied)
  for (const engine of [never, inMemory, onDisk, copied]) await engine.close()
})

test('the same entries under another key have another digest', async () => {
  const engines = [openEngine(options), openEngine(options)]
  for (const [at, engine] of engines.entries()) await apply([engine], 1, 20, key(at))
  assert.notEqual(engines[0]?.digest(BLOCK), engines[1]?.digest(BLOCK))
  for (const engine of engines) await engine.close()
})
