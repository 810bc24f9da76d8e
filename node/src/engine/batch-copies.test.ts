/** Batches of blocks: bounded, checked per block, installed whole or not at all, and in few tables. */
import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { MAX_BATCH_BLOCKS, SNAPSHOT_PART_BYTES } from '../paxos/constants.ts'
import { FUZZ_SEED, mutate, random } from '../server/hostile-bytes.fixture.ts'
import { XXH3_LEAST, XXH3_MOST, xxh3 } from '../xxh3.fixture.ts'
import { copyBlocks, flush, installParts, openBatch, putAt, readParts } from './copy.fixture.ts'
import { type OpenedEngine, openEngine } from './mod.ts'
import { getRequest, readBody, readGet } from './model.ts'

const MIB = 1024 * 1024
const MUTATIONS = 1500
const SLICE_MS = 1000
const options = { sliceDurationMs: SLICE_MS, memtableBytes: 1 << 30, blockCacheBytes: MIB, versionCacheBytes: 1 << 16, incarnation: 'x' }
const folder = mkdtempSync(join(tmpdir(), 'batch-copies-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let folders = 0
const newPath = (): string => join(folder, String(++folders))

let requests = 0
/** One record in each of the slices. */
const put = (engine: OpenedEngine, block: number, slices: readonly number[], value: Uint8Array): Promise<void> =>
  putAt(
    engine,
    block,
    ++requests,
    slices.map((slice) => BigInt(slice * SLICE_MS) << 16n),
    value,
  )

const tablesOf = (path: string): number => readdirSync(path).filter((name) => name.endsWith('.sst')).length

/** Copies the blocks; returns the families of the tables that they came in. (RocksDB moves and splits tables once it has them.) */
async function copyCounting(
  source: OpenedEngine,
  target: OpenedEngine,
  path: string,
  blocks: readonly number[],
  partBytes: number,
): Promise<string[]> {
  const parts = await readParts(source, await openBatch(source, blocks), () => partBytes)
  const install = await target.installBegin(blocks)
  for (const part of parts) await target.installPart(install, part)
  const families = readdirSync(join(path, 'incoming')).map((name) => name.split('.')[1] as string)
  await target.installEnd(install)
  return families.sort()
}

function assertSame(source: OpenedEngine, target: OpenedEngine, blocks: readonly number[]): void {
  for (const block of blocks) {
    assert.equal(target.digest(block), source.digest(block), `block ${block}`)
    assert.deepEqual(target.requestTable(block), source.requestTable(block))
    assert.equal(target.flushedIndex(block), source.flushedIndex(block))
  }
}

async function recordOf(engine: OpenedEngine, block: number, slice: number): Promise<Uint8Array | undefined> {
  const id = BigInt(slice * SLICE_MS) << 16n
  const body = await readBody(engine, 'get', block, getRequest(`series of ${block}`, [id]), 'async')
  return readGet(body, [id]).records[0]?.value
}

test('blocks that share slices travel in one batch and come in a few tables, over old content and over none', async () => {
  const source = openEngine({ ...options, path: newPath() })
  const blocks = Array.from({ length: 60 }, (_, at) => 100 + at * 3)
  for (const block of blocks) await put(source, block, [1, 2, 3, 10 + (block % 7)], Uint8Array.of(block))
  // What lies between them in every family is left out.
  for (const block of blocks) await put(source, block + 1, [1, 2, 3], Uint8Array.of(1))
  await flush(source)
  const path = newPath()
  const target = openEngine({ ...options, path })
  const families = await copyCounting(source, target, path, blocks, 2000)
  assert.deepEqual(families, ['meta', 'meta', 'pages', 'records'], 'positions and answers stand apart')
  assertSame(source, target, blocks)
  assert.equal(target.appliedIndex(101), 0)
  assert.deepEqual(await recordOf(target, 100, 2), Uint8Array.of(100))
  // Again, over what is there: flushed, in memory, and beside it.
  for (const block of blocks.slice(0, 9)) await put(target, block, [50], Uint8Array.of(9))
  await put(target, 7, [1], Uint8Array.of(7))
  await flush(target)
  for (const block of blocks.slice(5, 20)) await put(target, block, [51], Uint8Array.of(9))
  await copyBlocks(source, target, blocks)
  assertSame(source, target, blocks)
  assert.equal(await recordOf(target, 103, 50), undefined)
  assert.equal(await recordOf(target, 130, 51), undefined)
  assert.deepEqual(await recordOf(target, 7, 1), Uint8Array.of(7))
  await target.close()
  const again = openEngine({ ...options, path })
  assertSame(source, again, blocks)
  await again.close()
  await source.close()
})

test('what is not flushed is not in a batch', async () => {
  const source = openEngine(options)
  await put(source, 2, [1], Uint8Array.of(1))
  await flush(source)
  await put(source, 3, [1], Uint8Array.of(1))
  const { handle, contents } = await source.snapshotOpen([1, 2, 3])
  assert.deepEqual(
    contents.map(({ block, index }) => [block, index]),
    [[2, 1]],
  )
  source.snapshotClose(handle)
  const none = await source.snapshotOpen([1, 3])
  assert.deepEqual(none.contents, [])
  assert.deepEqual(await readParts(source, none, () => 100), [])
  await source.close()
})

test('a batch is bounded in blocks and bytes; a block that is larger travels alone, in tables that end at slices', async () => {
  const source = openEngine({ ...options, path: newPath() })
  const value = new Uint8Array(MIB)
  const write = async (block: number, slice: number, mib: number): Promise<void> => {
    for (let at = 0; at < mib; at++) {
      randomFillSync(value, 0, MIB)
      await putAt(source, block, ++requests, [BigInt(slice * SLICE_MS + at) << 16n], value)
    }
  }
  await write(1, 1, 40)
  await write(2, 1, 20)
  await write(3, 1, 10)
  for (const slice of [1, 2, 3]) await write(4, slice, 40)
  await write(5, 1, 1)
  await flush(source)
  const inBatch = async (blocks: readonly number[]): Promise<number[]> => {
    const { handle, contents } = await source.snapshotOpen(blocks)
    source.snapshotClose(handle)
    return contents.map(({ block }) => block)
  }
  assert.deepEqual(await inBatch([1, 2, 3, 4, 5]), [1, 2])
  assert.deepEqual(await inBatch([3, 4, 5]), [3])
  assert.deepEqual(await inBatch([4, 5]), [4])
  const path = newPath()
  const target = openEngine({ ...options, path })
  await copyBlocks(source, target, [1, 2])
  assert.deepEqual(await copyCounting(source, target, path, [4], SNAPSHOT_PART_BYTES), ['meta', 'meta', 'pages', 'records', 'records'])
  assertSame(source, target, [1, 2, 4])
  // A sender that passes the bound is stopped at it.
  const parts = await readParts(source, await openBatch(source, [4]), () => SNAPSHOT_PART_BYTES)
  await assert.rejects(installParts(target, [4, 5], parts), { code: 'corrupt', message: /2 blocks has more than 67108864 bytes/ })
  await assert.rejects(source.snapshotOpen(Array.from({ length: MAX_BATCH_BLOCKS + 1 }, (_, block) => block)), RangeError)
  await assert.rejects(source.snapshotOpen([2, 1]), RangeError)
  await target.close()
  await source.close()
})

test('a batch that lacks a block, or holds another one, is installed for none', async () => {
  const source = openEngine(options)
  for (const block of [1, 2, 3]) await put(source, block, [1, 2], Uint8Array.of(block))
  await flush(source)
  const target = openEngine(options)
  const parts = await readParts(source, await openBatch(source, [1, 2]), () => 300)
  await assert.rejects(installParts(target, [1, 2, 3], parts), { code: 'corrupt', message: /lacks block 3/ })
  await assert.rejects(installParts(target, [1], parts), { code: 'corrupt', message: /a row of another block: 2/ })
  assert.deepEqual([target.appliedIndex(1), target.appliedIndex(2)], [0, 0])
  await target.close()
  await source.close()
})

/** As `parts`, with each part's checksum right again where it has a length that the fixture's hash takes. */
function seal(part: Uint8Array): void {
  const checked = part.length - 8
  if (checked < XXH3_LEAST || checked > XXH3_MOST) return
  const view = new DataView(part.buffer, part.byteOffset, part.byteLength)
  view.setUint32(5, checked - 9, true)
  view.setBigUint64(checked, xxh3(part.subarray(0, checked)), true)
}

test(`mutations of a batch whose checksums are right never replace a block by what the source does not hold, seed ${FUZZ_SEED}`, async () => {
  const blocks = [3, 4, 9]
  const source = openEngine(options)
  for (const block of blocks) await put(source, block, [1, 3], Uint8Array.of(block))
  await flush(source)
  const parts = await readParts(source, await openBatch(source, blocks), () => 1)
  assert.ok(parts.every(({ length }) => length - 8 <= XXH3_MOST))
  const target = openEngine(options)
  for (const block of blocks) await put(target, block, [7], Uint8Array.of(block))
  const digests = (engine: OpenedEngine): string[] => blocks.map((block) => engine.digest(block))
  let old = digests(target)
  let refused = 0
  for (let round = 0; round < MUTATIONS; round++) {
    const at = random(parts.length)
    const damaged = mutate(parts[at] as Uint8Array)
    seal(damaged)
    try {
      await installParts(target, blocks, parts.with(at, damaged))
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      assert.ok(code === 'corrupt' || code === 'unsupported_version', `${code}: ${message}`)
      assert.deepEqual(digests(target), old, 'nothing of the batch is there')
      refused++
      continue
    }
    // What no digest covers may differ: the id of the last value, or how answers are cut into rows.
    assert.deepEqual(digests(target), digests(source))
    for (const block of blocks) await put(target, block, [7 + round], Uint8Array.of(block))
    old = digests(target)
  }
  assert.ok(refused > MUTATIONS / 2)
  await installParts(target, blocks, parts)
  assertSame(source, target, blocks)
  await target.close()
  await source.close()
})

test('small tables that installs leave side by side are merged, and hold what they held', async () => {
  const source = openEngine({ ...options, path: newPath() })
  const blocks = Array.from({ length: 40 }, (_, block) => block)
  for (const block of blocks) await put(source, block, [1, 2], Uint8Array.of(block))
  await flush(source)
  const path = newPath()
  const target = openEngine({ ...options, path })
  for (let at = 0; at < blocks.length; at += 4) await copyBlocks(source, target, blocks.slice(at, at + 4))
  const before = tablesOf(path)
  await target.tidy()
  // RocksDB deletes files behind its back.
  const untilMs = performance.now() + 60_000
  while (tablesOf(path) > 10 && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 20))
  const merged = tablesOf(path)
  assert.ok(before >= 25 && merged <= 10, `${before} tables became ${merged}`)
  assertSame(source, target, blocks)
  for (const block of blocks) assert.deepEqual(await recordOf(target, block, 2), Uint8Array.of(block))
  await target.tidy()
  assert.equal(target.pressure().level0Tables < 12, true)
  await target.close()
  await source.close()
})
