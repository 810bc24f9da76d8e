/** What the engine promises case by case: apply's rules, bounds, malformed input, life cycle, options. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ByteWriter, blockOf, DIRECTORY_SLICE, encodeSeries, OpKind, PageVerdict } from '@thermocline/protocol'
import { installParts, openBatch, readParts } from './copy.fixture.ts'
import { HeldPages } from './held-pages.fixture.ts'
import { createMemoryStore, NEEDS_IO, type OpenedEngine, type OpenOptions, openEngine } from './mod.ts'
import {
  applyBatch,
  BAD_STAMP,
  buildEntry,
  EXPIRED,
  getRequest,
  type ModelAnswer,
  type ModelRequest,
  type OldRecord,
  pageVersionsRequest,
  peek,
  readBody,
  readGet,
  readScan,
  readVersions,
  scanRequest,
  valueIdOf,
} from './model.ts'
import type { SnapshotHead } from './port.ts'

const DAY_MS = 86_400_000
const MAX_ID = 2n ** 64n - 1n
const options: OpenOptions = {
  sliceDurationMs: DAY_MS,
  memtableBytes: 1 << 20,
  blockCacheBytes: 4 << 20,
  versionCacheBytes: 64 << 10,
  incarnation: 'cluster/0/1/0:abc',
  verifyOldRecords: true,
}
const folder = mkdtempSync(join(tmpdir(), 'engine-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let folders = 0
const newPath = (): string => join(folder, `${folders++}`)

let requestNumber = 0
function request(ops: ModelRequest['ops'], changes: Partial<ModelRequest> = {}): ModelRequest {
  const requestId = new Uint8Array(16)
  new DataView(requestId.buffer).setUint32(3, ++requestNumber)
  return { requestId, stamp: 0, outcome: 0, detail: new Uint8Array(8), series: 's', ops, ...changes }
}
const put = (id: bigint, value: Uint8Array | string) => ({
  kind: OpKind.put,
  id,
  value: typeof value === 'string' ? new TextEncoder().encode(value) : value,
})
const remove = (id: bigint) => ({ kind: OpKind.delete, id, value: new Uint8Array(0) })
const ms = (value: number): bigint => BigInt(value) << 16n

/** Proposes and applies one entry; each request sees the state before it. */
async function write(engine: OpenedEngine, block: number, requests: ModelRequest[], horizon = 0, proposedAtMs = 0): Promise<ModelAnswer[]> {
  const withOld: (ModelRequest & { old: OldRecord[] })[] = []
  for (const made of requests) {
    const { old } = await peek(engine, block, made)
    withOld.push({ ...made, old })
  }
  const index = engine.appliedIndex(block) + 1
  return applyBatch(engine, [{ block, index, entry: buildEntry(horizon, proposedAtMs, withOld) }])
}

async function flush(engine: OpenedEngine): Promise<void> {
  engine.rotate()
  await engine.flush()
}

const figure = (engine: OpenedEngine, name: string): number => engine.stats()[name] as number

async function value(engine: OpenedEngine, id: bigint, block = 1, series = 's') {
  return readGet(await readBody(engine, 'get', block, getRequest(series, [id]), 'sync'), [id]).records[0]
}

async function version(engine: OpenedEngine, slice: number, block = 1, series = 's') {
  return readVersions(await readBody(engine, 'pageVersions', block, pageVersionsRequest(series, [slice]), 'sync')).versions[0]
}

test('a retry gets the first answer, with its index and detail', async () => {
  const engine = openEngine(options)
  const appended = request([put(ms(5), 'v')], { detail: Uint8Array.of(0, 0, 0, 0, 0, 5, 0, 7) })
  const [first] = await write(engine, 1, [appended])
  assert.deepEqual(first, { outcome: 0, index: 1, detail: appended.detail })
  const [again] = await write(engine, 1, [appended])
  assert.deepEqual(again, first)
  assert.equal((await value(engine, ms(5)))?.version, 1)
  assert.deepEqual((await peek(engine, 1, appended)).known, first)
  const [elsewhere] = await write(engine, 2, [appended])
  assert.equal(elsewhere?.index, 1, 'another block knows nothing of it')
  await engine.close()
})

test('a failed condition is remembered and changes no record', async () => {
  const engine = openEngine(options)
  const failed = request([], { outcome: 2, detail: Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0) })
  assert.deepEqual(await write(engine, 1, [failed, failed]), [
    { outcome: 2, index: 1, detail: failed.detail },
    { outcome: 2, index: 1, detail: failed.detail },
  ])
  await engine.close()
})

test('a stamp that is not older than the entry is refused, one below the horizon is expired; neither is remembered', async () => {
  const engine = openEngine(options)
  for (let i = 0; i < 9; i++) await write(engine, 1, [request([put(ms(i), 'x')], { stamp: i })])
  const early = request([put(ms(50), 'x')], { stamp: 10 })
  const [refused] = await write(engine, 1, [early])
  assert.equal(refused?.outcome, BAD_STAMP)
  const old = request([put(ms(51), 'x')], { stamp: 4 })
  const [expired] = await write(engine, 1, [old], 5)
  assert.deepEqual([expired?.outcome, expired?.index], [EXPIRED, 11])
  assert.equal(await value(engine, ms(50)), undefined)
  assert.equal(await value(engine, ms(51)), undefined)
  assert.deepEqual(engine.requestTable(1), { answers: 5, oldestIndex: 5, horizon: 5 })
  await write(engine, 1, [], 3)
  assert.equal(engine.requestTable(1).horizon, 5, 'a horizon never goes back')
  await engine.close()
})

test('proposeHorizon keeps at most so many answers, and drops those applied too long ago, whatever the clocks of proposers said', async () => {
  const engine = openEngine(options)
  for (let i = 1; i <= 10; i++) {
    engine.noteTime(i * 100)
    await write(engine, 1, [request([]), request([])], 0, i === 1 ? 4_000_000_000_000 : 1)
  }
  assert.equal(engine.proposeHorizon(1, 100, 0), 0)
  assert.equal(engine.proposeHorizon(1, 20, 0), 0)
  assert.equal(engine.proposeHorizon(1, 19, 0), 2)
  assert.equal(engine.proposeHorizon(1, 4, 0), 9)
  assert.equal(engine.proposeHorizon(1, 0, 0), 11)
  assert.equal(engine.proposeHorizon(1, 100, 500), 5)
  assert.equal(engine.proposeHorizon(7, 0, 0), 0)
  await write(engine, 1, [], engine.proposeHorizon(1, 4, 0))
  assert.deepEqual(engine.requestTable(1), { answers: 4, oldestIndex: 9, horizon: 9 })
  await engine.close()
})

test('blocks that remember old answers are found, some at a time', async () => {
  const engine = openEngine(options)
  engine.noteTime(1000)
  for (let block = 0; block < 100; block++) await write(engine, block, [request([])])
  engine.noteTime(2000)
  for (let block = 50; block < 150; block++) await write(engine, block, [request([])])
  const find = (beforeMs: number): number[] => {
    const out = new Uint32Array(1 + 30)
    const blocks: number[] = []
    do {
      const count = engine.staleBlocks(beforeMs, out)
      blocks.push(...out.subarray(1, 1 + count))
    } while (out[0] !== 0)
    return blocks.sort((a, b) => a - b)
  }
  assert.equal(engine.answersRemembered, 200)
  assert.deepEqual(find(1000), [])
  assert.deepEqual(
    find(1001),
    Array.from({ length: 100 }, (_, block) => block),
  )
  assert.equal(find(2001).length, 150)
  await write(engine, 7, [], 2)
  assert.equal(find(2001).length, 149)
  assert.equal(engine.answersRemembered, 199)
  await engine.close()
})

test('removing nothing changes nothing; removing the last record removes the page', async () => {
  for (const path of [undefined, newPath()]) {
    const engine = openEngine(path === undefined ? options : { ...options, path })
    await write(engine, 1, [request([put(ms(1), 'a'), put(ms(2), 'b')])])
    await write(engine, 1, [request([remove(ms(3))])])
    assert.equal(await version(engine, 0), 1)
    await flush(engine)
    await write(engine, 1, [request([remove(ms(1))])])
    assert.equal(await version(engine, 0), 3)
    await write(engine, 1, [request([remove(ms(2))])])
    assert.equal(await version(engine, 0), 0)
    await flush(engine)
    assert.equal(await value(engine, ms(2)), undefined)
    if (path === undefined) assert.deepEqual([figure(engine, 'storeRecordsRows'), figure(engine, 'storePagesRows')], [0, 0])
    await write(engine, 1, [request([put(ms(2), 'again')])])
    assert.equal(await version(engine, 0), 5)
    await engine.close()
  }
})

test('reads of malformed requests throw, whatever their bytes', async () => {
  const engine = openEngine(options)
  const out = new Uint8Array(64)
  const whole = { get: getRequest('s', [1n, 2n]), scan: scanRequest('s', 0n, 9n, 5, false), pageVersions: pageVersionsRequest('s', [1, 2]) }
  for (const [name, bytes] of Object.entries(whole) as ['get' | 'scan' | 'pageVersions', Uint8Array][]) {
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => engine[name](1, bytes, 0, length, out, 0), RangeError)
      assert.throws(() => void engine[`${name}Async`](1, bytes, 0, length), RangeError)
    }
    assert.throws(() => engine[name](1, bytes, bytes.length, 1, out, 0), RangeError)
    assert.throws(() => engine[name](1, bytes, 0, bytes.length, out, 65), RangeError)
    assert.throws(() => engine[name](65536, bytes, 0, bytes.length, out, 0), RangeError)
    assert.throws(() => engine[name](1, 'no bytes' as never, 0, 1, out, 0), TypeError)
    assert.throws(() => engine[name](1.5, bytes, 0, bytes.length, out, 0), TypeError)
    assert.throws(() => engine[name](1, new Uint16Array(9) as never, 0, 1, out, 0), TypeError)
  }
  assert.throws(() => (engine.get as () => number)(), TypeError)
  await engine.close()
})

test('the extremes fit: a value of 1 MiB, a series of 512 bytes, the first and the last id', async () => {
  for (const path of [undefined, newPath()]) {
    const engine = openEngine(path === undefined ? options : { ...options, path, blockCacheBytes: 64 << 10 })
    const series = 'é'.repeat(256)
    const large = new Uint8Array(1 << 20).map((_, i) => i * 7)
    for (const id of [0n, MAX_ID, ms(DAY_MS) - 1n, ms(DAY_MS)]) await write(engine, 65535, [request([put(id, large)], { series })])
    for (const flushed of [false, true]) {
      if (flushed) await flush(engine)
      for (const mode of ['sync', 'async'] as const) {
        const got = readGet(await readBody(engine, 'get', 65535, getRequest(series, [MAX_ID, 1n]), mode), [MAX_ID, 1n])
        assert.equal(Buffer.compare(got.records[0]?.value ?? new Uint8Array(0), large), 0)
        assert.equal(got.records[1], undefined)
        for (const reverse of [false, true]) {
          const found: bigint[] = []
          let [from, to] = [0n, MAX_ID]
          for (;;) {
            const answer = readScan(await readBody(engine, 'scan', 65535, scanRequest(series, from, to, 100, reverse), mode))
            assert.equal(answer.records.length, 1, 'a chunk holds at least one record, and no second one beyond its bytes')
            found.push(answer.records[0]?.id ?? -1n)
            if (!answer.more) break
            if (reverse) to = answer.next
            else from = answer.next
          }
          const wanted = [0n, ms(DAY_MS) - 1n, ms(DAY_MS), MAX_ID]
          assert.deepEqual(found, reverse ? wanted.toReversed() : wanted)
        }
      }
    }
    await engine.close()
  }
})

test('a large page takes random inserts and keeps its order, in memory and on disk', async () => {
  const engine = openEngine({ ...options, path: newPath(), verifyOldRecords: false })
  const ids = Array.from({ length: 4000 }, (_, i) => BigInt((i * 2_654_435_761) % 4_294_967_296))
  for (let at = 0; at < ids.length; at += 500) {
    const ops = ids.slice(at, at + 500).map((id) => put(id, `${id}`))
    applyBatch(engine, [{ block: 1, index: at / 500 + 1, entry: buildEntry(0, 0, [{ ...request(ops), old: [] }]) }])
  }
  const sorted = [...new Set(ids)].sort((a, b) => (a < b ? -1 : 1))
  for (const flushed of [false, true]) {
    if (flushed) await flush(engine)
    for (const mode of ['sync', 'async'] as const) {
      const forward = readScan(await readBody(engine, 'scan', 1, scanRequest('s', 0n, MAX_ID, 0, false), mode))
      assert.deepEqual(
        forward.records.map((record) => record.id),
        sorted,
      )
      const back = readScan(await readBody(engine, 'scan', 1, scanRequest('s', 0n, sorted[3000] ?? 0n, 700, true), mode))
      assert.deepEqual(
        back.records.map((record) => record.id),
        sorted.slice(2301, 3001).reverse(),
      )
      assert.deepEqual([back.more, back.next], [true, sorted[2300]])
    }
  }
  await engine.close()
})

test('an asynchronous scan over more removals than it copies goes on where it ended', async () => {
  const engine = openEngine({ ...options, verifyOldRecords: false })
  const count = 9000
  for (let at = 0; at < count; at += 1000) {
    await write(engine, 1, [request(Array.from({ length: 1000 }, (_, i) => put(ms(at + i), 'v')))])
  }
  await flush(engine)
  for (let at = 0; at < count - 1; at += 1000) {
    await write(engine, 1, [request(Array.from({ length: Math.min(1000, count - 1 - at) }, (_, i) => remove(ms(at + i))))])
  }
  let from = 0n
  let chunks = 0
  for (;;) {
    const answer = readScan(await readBody(engine, 'scan', 1, scanRequest('s', from, MAX_ID, 5, false), 'async'))
    chunks++
    if (answer.records.length > 0) {
      assert.equal(answer.records[0]?.id, ms(count - 1))
      break
    }
    assert.ok(answer.more && answer.next > from)
    from = answer.next
  }
  assert.ok(chunks > 1)
  await engine.close()
})

test('an answer that does not fit says how many bytes it needs', async () => {
  const engine = openEngine(options)
  await write(engine, 1, [request([put(1n, 'x'.repeat(100))])])
  const bytes = getRequest('s', [1n])
  const needed = -2 - engine.get(1, bytes, 0, bytes.length, new Uint8Array(20), 0)
  assert.equal(needed, 6 + 10 + 100)
  assert.equal(engine.get(1, bytes, 0, bytes.length, new Uint8Array(needed + 3), 3), needed)
  await engine.close()
})

test('memory is counted: rotation falls due near its size, and a flush gives the memory back', async () => {
  const engine = openEngine({ ...options, memtableBytes: 1 << 20 })
  const body = new Uint8Array(200)
  let puts = 0
  while (!engine.rotationDue()) {
    await write(engine, 1, [request(Array.from({ length: 50 }, (_, i) => put(BigInt(puts + i), body)))])
    puts += 50
  }
  const bytes = figure(engine, 'activeBytes')
  assert.ok(puts * 216 < bytes && puts * 300 > bytes, `${puts} puts took ${bytes} bytes`)
  engine.rotate()
  assert.throws(() => engine.rotate(), { code: 'internal' })
  await engine.flush()
  assert.ok(figure(engine, 'activeBytes') < 4096)
  assert.equal(engine.stats().frozenBytes, 0)
  await engine.close()
})

test('a restart finds what the last flush wrote, and replay brings the rest back', async () => {
  const store = createMemoryStore()
  const path = newPath()
  for (const open of [() => openEngine(options, store), () => openEngine({ ...options, path })]) {
    let engine = open()
    await write(engine, 9, [request([put(ms(1), 'kept')])], 0, 77)
    await flush(engine)
    const digest = engine.digest(9)
    await write(engine, 9, [request([put(ms(2), 'lost')])])
    assert.equal(engine.flushedIndex(9), 1)
    await engine.close()
    engine = open()
    assert.deepEqual(engine.positions(), [{ block: 9, index: 1, valueId: valueIdOf(9, 1), horizon: 0 }])
    assert.equal(engine.digest(9), digest)
    assert.equal(engine.requestTable(9).answers, 1)
    engine.noteTime(5000)
    assert.equal(engine.proposeHorizon(9, 9, 5000), 0, 'what was found is as old as the first look')
    assert.equal(engine.proposeHorizon(9, 9, 5001), 2)
    assert.equal((await value(engine, ms(1), 9))?.version, 1)
    assert.equal(await value(engine, ms(2), 9), undefined)
    assert.equal(await version(engine, 0, 9), 1)
    await engine.close()
  }
})

test('rows of answers below the horizon leave the store', async () => {
  const engine = openEngine(options)
  for (let i = 0; i < 5; i++) {
    await write(engine, 1, [request([])])
    await flush(engine)
  }
  assert.equal(engine.stats().storeMetaRows, 3 + 5)
  await write(engine, 1, [], 5)
  await flush(engine)
  assert.equal(engine.stats().storeMetaRows, 3 + 1)
  await engine.close()
})

test('the version cache survives a restart, and serves only its own volume', async () => {
  const path = newPath()
  const own = { ...options, path, versionCachePath: `${path}.versions` }
  let engine = openEngine(own)
  for (let i = 0; i < 50; i++) await write(engine, 1, [request([put(ms(i * DAY_MS), 'v')])])
  await flush(engine)
  await engine.close()
  const hitsAfterOpen = async (changes: Partial<OpenOptions>): Promise<number> => {
    engine = openEngine({ ...own, ...changes })
    for (let i = 0; i < 50; i++) assert.equal(await version(engine, i), i + 1)
    const hits = figure(engine, 'versionCacheHits')
    await engine.close()
    return hits
  }
  assert.equal(await hitsAfterOpen({}), 50)
  assert.equal(await hitsAfterOpen({ incarnation: 'another' }), 0)
  assert.equal(await hitsAfterOpen({}), 0, 'the other volume has taken the file over')
  assert.equal(await hitsAfterOpen({}), 50)
  assert.equal(await hitsAfterOpen({ versionCacheBytes: 128 << 10 }), 0)
  writeFileSync(own.versionCachePath, 'damaged')
  assert.equal(await hitsAfterOpen({}), 0)
})

test('a flipped bit anywhere in the version cache is never served', async () => {
  const path = newPath()
  const versionCachePath = newPath()
  const opened = (): OpenedEngine => openEngine({ ...options, path, versionCachePath })
  const slices = [1, 2, 3]
  const first = opened()
  for (const slice of slices) for (let i = 0; i <= slice; i++) await write(first, 1, [request([put(ms(slice * DAY_MS + i), 'v')])])
  const truth = await Promise.all(slices.map((slice) => version(first, slice)))
  await flush(first)
  await first.close()
  const bytes = readFileSync(versionCachePath)
  const used = [...bytes.keys()].filter((at) => bytes[at] !== 0)
  assert.ok(used.length > 60, 'header and entries')
  const generationOfBlock1 = 64 + 4
  for (const at of [...used, generationOfBlock1]) {
    const damaged = Buffer.from(bytes)
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 8))
    writeFileSync(versionCachePath, damaged)
    const engine = opened()
    for (const [i, slice] of slices.entries()) assert.equal(await version(engine, slice), truth[i], `byte ${at}, page ${slice}`)
    if (at <= generationOfBlock1) assert.equal(figure(engine, 'versionCacheWarm'), 0, `byte ${at} starts it empty`)
    await engine.close()
  }
})

test('a version from beyond what is applied is not served after a restart', async () => {
  const path = newPath()
  const own = { ...options, path, versionCachePath: `${path}.versions` }
  let engine = openEngine(own)
  await write(engine, 1, [request([put(ms(1), 'v')])])
  await flush(engine)
  await write(engine, 1, [request([put(ms(1), 'w')])])
  await engine.close()
  engine = openEngine(own)
  assert.equal(await version(engine, 0), 1)
  await engine.close()
})

test('a snapshot installs elsewhere whole, and not at all if anything is missing or changed', async () => {
  const source = openEngine({ ...options, path: newPath() })
  for (let i = 0; i < 40; i++)
    await write(source, 5, [request([put(ms(i * DAY_MS), 'x'.repeat(i)), put(ms(1000 + i), 'y')])], i > 30 ? 9 : 0)
  assert.deepEqual((await source.snapshotOpen([5])).contents, [], 'nothing is flushed yet')
  await flush(source)
  const head = await openBatch(source, [5])
  const [content] = head.contents
  const digest = source.digest(5)
  await write(source, 5, [request([remove(ms(1003))])])
  await flush(source)
  const parts = await readParts(source, head, () => 500)
  assert.ok(parts.length > 5)

  for (const path of [undefined, newPath()]) {
    const target = openEngine(path === undefined ? options : { ...options, path })
    await write(target, 5, [request([put(ms(7 * DAY_MS), 'old'), put(ms(999 * DAY_MS), 'older')])])
    await flush(target)
    await write(target, 5, [request([put(ms(8), 'unflushed')])])
    const before = target.digest(5)

    const first = await target.installBegin([5])
    assert.throws(() => applyBatch(target, [{ block: 5, index: 3, entry: buildEntry(0, 0, []) }]), { code: 'internal' })
    const damaged = parts[0]?.slice() as Uint8Array
    damaged[20] = (damaged[20] ?? 0) ^ 1
    await assert.rejects(target.installPart(first, damaged), { code: 'corrupt' })
    await assert.rejects(target.installPart(first, parts[1] as Uint8Array), { code: 'corrupt' })
    await target.installPart(first, parts[0] as Uint8Array)
    await assert.rejects(target.installEnd(first), { code: 'corrupt' })
    await target.installAbort(first)
    assert.equal(target.digest(5), before)
    assert.equal((await value(target, ms(8), 5))?.version, 2)

    target.rotate()
    const { index, valueId } = content as SnapshotHead['contents'][number]
    assert.deepEqual(await installParts(target, [5], parts), [{ block: 5, index, valueId, horizon: 9 }])
    await target.flush()
    assert.equal(target.digest(5), digest)
    assert.equal(target.flushedIndex(5), 40)
    assert.equal(await value(target, ms(999 * DAY_MS), 5), undefined)
    assert.equal((await value(target, ms(1003), 5))?.version, 4)
    assert.equal(await version(target, 7, 5), 8)
    await write(target, 5, [request([remove(ms(1003))])])
    assert.equal(target.requestTable(5).answers, source.requestTable(5).answers)
    await flush(target)
    await target.close()
  }
  await source.close()
})

test('open snapshots are bounded', async () => {
  const engine = openEngine(options)
  await write(engine, 1, [request([])])
  await flush(engine)
  const handles = await Promise.all(Array.from({ length: 64 }, async () => (await engine.snapshotOpen([1])).handle))
  await assert.rejects(engine.snapshotOpen([1]), { code: 'overloaded' })
  engine.snapshotClose(handles[0] as number)
  assert.equal((await engine.snapshotOpen([1])).contents.length, 1)
  await assert.rejects(async () => await engine.snapshotRead(handles[0] as number, 100), { code: 'internal' })
  await engine.close()
})

test('a closed engine refuses calls, and close waits for reads under way', async () => {
  const engine = openEngine({ ...options, path: newPath() })
  await write(engine, 1, [request([put(1n, 'v')])])
  const bytes = getRequest('s', [1n])
  const reads = Array.from({ length: 20 }, () => engine.getAsync(1, bytes, 0, bytes.length))
  const closed = engine.close()
  assert.equal((await Promise.all(reads)).length, 20)
  await closed
  assert.throws(() => engine.appliedIndex(1), { code: 'ERR_ENGINE_CLOSED' })
  await assert.rejects(engine.flush(), { code: 'ERR_ENGINE_CLOSED' })
})

test('a folder serves one process at a time, and no older program', async () => {
  const path = newPath()
  const engine = openEngine({ ...options, path })
  assert.throws(() => openEngine({ ...options, path }), { code: 'locked', message: new RegExp(path) })
  await engine.close()
  await openEngine({ ...options, path }).close()
})

test('without the disk a cold read says so, and its twin answers', async () => {
  const path = newPath()
  let engine = openEngine({ ...options, path })
  await write(engine, 1, [request([put(1n, 'v')])])
  await flush(engine)
  await engine.close()
  engine = openEngine({ ...options, path })
  const bytes = getRequest('s', [1n])
  const out = new Uint8Array(64)
  assert.equal(engine.get(1, bytes, 0, bytes.length, out, 0), NEEDS_IO)
  assert.equal(readGet(await engine.getAsync(1, bytes, 0, bytes.length), [1n]).records[0]?.version, 1)
  assert.equal(engine.get(1, bytes, 0, bytes.length, out, 0), 17)
  await engine.close()
})

test('RocksDB runs with the options that were chosen', async () => {
  const engine = openEngine({ ...options, path: newPath() })
  const { database, pages, records, meta } = engine.storeOptions()
  assert.match(String(database), /max_open_files=4096/)
  assert.match(String(database), /max_background_jobs=2/)
  for (const family of [pages, records, meta]) {
    assert.match(String(family), /level_compaction_dynamic_level_bytes=true/)
    assert.match(String(family), /cache_index_and_filter_blocks: 1/)
    assert.match(String(family), /filter_policy: bloomfilter/)
    assert.match(String(family), /;ttl=0;/)
  }
  assert.match(String(records), /;compression=kLZ4Compression/)
  assert.match(String(records), /bottommost_compression=kZSTD/)
  assert.match(String(records), /block_size: 8192/)
  assert.match(String(records), /partition_filters: 1/)
  assert.match(String(pages), /block_size: 4096/)
  assert.match(String(pages), /unpartitioned_pinning: all/)
  assert.match(String(records), /partition_pinning: fresh/)
  assert.match(String(meta), /;compression=kNoCompression/)
  await engine.close()
})

test('a request may stand anywhere in its buffer', async () => {
  const engine = openEngine(options)
  await write(engine, 1, [request([put(1n, 'v')])])
  const bytes = getRequest('s', [1n])
  const writer = new ByteWriter()
  writer.put(new Uint8Array(13))
  writer.put(bytes)
  writer.put(new Uint8Array(5))
  assert.equal(engine.get(1, writer.written(), 13, bytes.length, new Uint8Array(64), 0), 17)
  await engine.close()
})

test('a page that is large is said to be so, and one below it is sent whole or by what is new', async () => {
  const series = 's'
  const block = blockOf(encodeSeries(series))
  const held = new HeldPages()
  const engine = openEngine(options, createMemoryStore())
  const look = async () => (await held.validate(engine, series, [0, DIRECTORY_SLICE], 'sync')).pages
  assert.deepEqual([...held.verdicts], [])
  await look()
  await write(engine, block, [request([put(ms(1), 'x'.repeat(60_000))])])
  await look()
  await write(engine, block, [request([put(ms(2), 'y')])])
  assert.equal((await look())[0]?.records.size, 2)
  await write(engine, block, [request([put(ms(3), 'z'.repeat(6000))])])
  assert.equal((await look())[0]?.version, 3)
  assert.deepEqual(
    [...held.verdicts].toSorted(),
    [PageVerdict.unchanged, PageVerdict.absent, PageVerdict.records, PageVerdict.page, PageVerdict.large].toSorted(),
  )
  await engine.close()
})

test('a validation that is malformed, or names a series by another block, changes nothing and says so', async () => {
  const engine = openEngine(options, createMemoryStore())
  const validate = (body: Uint8Array, count = 1) => engine.validate(body, 0, body.length, new Float64Array(1), count, new Uint8Array(64))
  assert.throws(() => validate(new Uint8Array(5)), { code: 'bad_frame' })
  const body = new Uint8Array(4 + 1 + 2 + 2 + 2 + 1 + 1 + 12)
  body[5] = 1
  body[9] = 1
  body[11] = 's'.charCodeAt(0)
  body[12] = 1
  assert.throws(() => validate(body), /a series of another block/)
  assert.throws(() => validate(body, 0), /another number of items/)
  assert.throws(() => validate(body, 2), { code: 'ERR_OUT_OF_RANGE' })
  await engine.close()
})
