/** Parts of snapshots: none is longer than the receiver takes, whatever a block holds, and none that is wrong inside is installed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ByteWriter,
  MAX_ENTRY_REQUESTS,
  MAX_FRAME_BYTES,
  MAX_SERIES_BYTES,
  MAX_VALUE_BYTES,
  OpKind,
  sealEntry,
  writeEntryHeader,
} from '@thermocline/protocol'
import { SNAPSHOT_PART_BYTES } from '../paxos/constants.ts'
import { FUZZ_SEED, mutate, random } from '../server/hostile-bytes.fixture.ts'
import { XXH3_LEAST, XXH3_MOST, xxh3 } from '../xxh3.fixture.ts'
import { installParts, openBatch, readParts } from './copy.fixture.ts'
import { type OpenedEngine, openEngine } from './mod.ts'
import { applyBatch, buildEntry, peek } from './model.ts'

const BLOCK = 7
const MUTATIONS = 1500
/** What a part may have: a target, one row of the largest record, and their heads. */
const MOST_PART_BYTES = SNAPSHOT_PART_BYTES + MAX_VALUE_BYTES + MAX_SERIES_BYTES + 128
const options = { sliceDurationMs: 1000, memtableBytes: 1 << 30, blockCacheBytes: 0, versionCacheBytes: 1 << 16, incarnation: 'x' }

interface Put {
  readonly series: string
  readonly id: bigint
  readonly value: Uint8Array
}

let requests = 0
async function put(engine: OpenedEngine, puts: readonly Put[]): Promise<void> {
  const made = []
  for (const { series, id, value } of puts) {
    const requestId = new Uint8Array(16)
    new DataView(requestId.buffer).setUint32(0, ++requests)
    const request = { requestId, stamp: 0, outcome: 0, detail: new Uint8Array(8), series, ops: [{ kind: OpKind.put, id, value }] }
    const { old } = await peek(engine, BLOCK, request)
    made.push({ ...request, old })
  }
  applyBatch(engine, [{ block: BLOCK, index: engine.appliedIndex(BLOCK) + 1, entry: buildEntry(0, 0, made), wantsAnswers: false }])
}

/** An entry of `count` requests that failed their conditions: answers and nothing else. */
function answersEntry(count: number): Uint8Array {
  const w = new ByteWriter(count * 40)
  w.patchU16(writeEntryHeader(w, 0, 1000), count)
  for (let request = 0; request < count; request++) {
    const at = w.claim(16)
    w.view.setUint32(at, ++requests)
    w.u48(0)
    w.u8(2)
    w.claim(8)
    w.u16(1)
    w.u8(0x61)
    w.u16(0)
  }
  sealEntry(w)
  return w.copy()
}

async function partsOf(engine: OpenedEngine, bytes = SNAPSHOT_PART_BYTES): Promise<Uint8Array[]> {
  engine.rotate()
  await engine.flush()
  return readParts(engine, await openBatch(engine, [BLOCK]), () => bytes)
}

/** The block travels whole, within the bound of a part, also when a peer asks for parts of any length. */
async function travels(source: OpenedEngine): Promise<OpenedEngine> {
  const parts = await partsOf(source, 0xffff_ffff)
  for (const { length } of parts) assert.ok(length <= MOST_PART_BYTES && length < MAX_FRAME_BYTES, `a part of ${length} bytes`)
  const target = openEngine(options)
  await installParts(target, [BLOCK], parts)
  assert.equal(target.digest(BLOCK), source.digest(BLOCK))
  assert.deepEqual(target.requestTable(BLOCK), source.requestTable(BLOCK))
  return target
}

test('records of the longest value and the longest name travel', async () => {
  const source = openEngine(options)
  const series = 's'.repeat(MAX_SERIES_BYTES)
  for (let at = 0; at < 3; at++) await put(source, [{ series, id: BigInt(at) << 16n, value: new Uint8Array(MAX_VALUE_BYTES).fill(at) }])
  const target = await travels(source)
  await source.close()
  await target.close()
})

test('more answers than a frame holds travel, in rows that leave one by one', async () => {
  const source = openEngine(options)
  const entries = 80
  for (let index = 1; index <= entries; index++)
    applyBatch(source, [{ block: BLOCK, index, entry: answersEntry(index % 7 === 0 ? 1000 : MAX_ENTRY_REQUESTS), wantsAnswers: false }])
  assert.ok(source.requestTable(BLOCK).answers > 270_600)
  const target = await travels(source)
  // Its rows leave the store as the horizon passes them.
  const rows = source.stats().storeMetaRows as number
  applyBatch(source, [{ block: BLOCK, index: entries + 1, entry: buildEntry(entries + 1, 0, []) }])
  source.rotate()
  await source.flush()
  assert.ok(rows - (source.stats().storeMetaRows as number) >= entries / 2, 'rows are not longer than a few entries')
  const again = await travels(source)
  for (const engine of [source, target, again]) await engine.close()
})

/** As `parts`, with each part's checksum right again where it has a length that the fixture's hash takes. */
function seal(part: Uint8Array): void {
  const checked = part.length - 8
  if (checked < XXH3_LEAST || checked > XXH3_MOST) return
  const view = new DataView(part.buffer, part.byteOffset, part.byteLength)
  view.setUint32(5, checked - 9, true)
  view.setBigUint64(checked, xxh3(part.subarray(0, checked)), true)
}

test(`mutations of parts whose checksums are right are refused as damage of the peer, seed ${FUZZ_SEED}`, async () => {
  const source = openEngine(options)
  await put(source, [{ series: 'alice', id: 1n << 16n, value: new Uint8Array(20) }])
  await put(source, [{ series: 'bob', id: 3000n << 16n, value: new Uint8Array(30) }])
  const parts = await partsOf(source, 1)
  assert.ok(parts.length > 5 && parts.every(({ length }) => length - 8 <= XXH3_MOST))
  let refused = 0
  const target = openEngine(options)
  for (let round = 0; round < MUTATIONS; round++) {
    const at = random(parts.length)
    const damaged = mutate(parts[at] as Uint8Array)
    seal(damaged)
    try {
      await installParts(target, [BLOCK], parts.with(at, damaged))
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      assert.ok(code === 'corrupt' || code === 'unsupported_version', `${code}: ${message}`)
      refused++
      continue
    }
    assert.equal(target.digest(BLOCK), source.digest(BLOCK))
  }
  assert.ok(refused > MUTATIONS / 2)
  await installParts(target, [BLOCK], parts)
  assert.equal(target.digest(BLOCK), source.digest(BLOCK))
  await source.close()
  await target.close()
})

test('a part that is longer than any may be is refused before it is read', async () => {
  const engine = openEngine(options)
  const install = await engine.installBegin([BLOCK])
  await assert.rejects(engine.installPart(install, new Uint8Array(MOST_PART_BYTES + 1)), { code: 'corrupt', message: /expected at most/ })
  await engine.close()
})
