/** What a read steps over is bounded: on the engine's thread, on another one, and over all reads of a turn. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { blockOf, DIRECTORY_SLICE, encodeSeries, OpKind, PageVerdict } from '@thermocline/protocol'
import { HeldPages } from './held-pages.fixture.ts'
import { NEEDS_IO, type OpenedEngine, openEngine } from './mod.ts'
import {
  applyBatch,
  buildEntry,
  getRequest,
  type ModelRequest,
  pageVersionsRequest,
  peek,
  readBody,
  readScan,
  scanRequest,
} from './model.ts'

const SLICE_MS = 1000
const SERIES = 's'
const BLOCK = blockOf(encodeSeries(SERIES))
const STEPS = { readSteps: 8, taskSteps: 32 }
/** Under way at a time: kMostPendingWalks of native/src/jobs.cc. */
const MOST_WALKS = 256
/** A validation may take the steps of so many reads. */
const TURN_READS = 8
const MAX_ID = (1n << 64n) - 1n

const idOf = (n: number): bigint => BigInt(n)
/** The first id of a slice. */
const pageOf = (slice: number): bigint => BigInt(slice * SLICE_MS) << 16n

function open(t: TestContext, steps: { readSteps?: number; taskSteps?: number } = STEPS): OpenedEngine {
  const path = mkdtempSync(join(tmpdir(), 'thermocline-steps-'))
  const sizes = { sliceDurationMs: SLICE_MS, memtableBytes: 1 << 20, blockCacheBytes: 8 << 20, versionCacheBytes: 64 << 10 }
  const engine = openEngine({ ...sizes, ...steps, path, incarnation: 'c/0/1/0:abc' })
  t.after(async () => {
    await engine.close()
    rmSync(path, { recursive: true })
  })
  return engine
}

async function write(engine: OpenedEngine, kind: number, ids: readonly bigint[]): Promise<void> {
  const index = engine.appliedIndex(BLOCK) + 1
  const requestId = new Uint8Array(16)
  new DataView(requestId.buffer).setUint32(0, index)
  const ops = ids.map((id) => ({ kind, id, value: kind === OpKind.put ? new Uint8Array([1]) : new Uint8Array(0) }))
  const request: ModelRequest = { requestId, stamp: index - 1, outcome: 0, detail: new Uint8Array(8), series: SERIES, ops }
  const { old } = await peek(engine, BLOCK, request)
  applyBatch(engine, [{ block: BLOCK, index, entry: buildEntry(0, 0, [{ ...request, old }]) }])
}

async function flush(engine: OpenedEngine): Promise<void> {
  engine.rotate()
  await engine.flush()
}

/** Where what was removed lies when it is read. */
const STAGES = ['in memory', 'in memory, above the store', 'frozen', 'flushed'] as const

/** What one answer may step over at most: an iterator of the store skips at least 256 rows before it stops. */
const mostOf = (stage: (typeof STAGES)[number]): number => (stage === 'flushed' ? 256 : 2 * STEPS.taskSteps)

/** Puts the ids and removes some of them. While the test runs nothing of it is compacted away. */
async function fill(
  engine: OpenedEngine,
  ids: readonly bigint[],
  removed: readonly bigint[],
  stage: (typeof STAGES)[number],
): Promise<void> {
  await write(engine, OpKind.put, ids)
  if (stage !== 'in memory') {
    await flush(engine)
    await engine.snapshotOpen([BLOCK])
  }
  await write(engine, OpKind.delete, removed)
  if (stage === 'flushed') await flush(engine)
  if (stage === 'frozen') engine.rotate()
}

function scanNow(engine: OpenedEngine, from: bigint, limit: number): number {
  const body = scanRequest(SERIES, from, MAX_ID, limit, false)
  return engine.scan(BLOCK, body, 0, body.length, new Uint8Array(4096), 0)
}

/** Follows a scan to its end. @returns what it found, and how many answers that took. */
async function scanAll(engine: OpenedEngine, reverse: boolean): Promise<{ found: bigint[]; answers: number }> {
  const found: bigint[] = []
  let [from, to] = [0n, MAX_ID]
  for (let answers = 1; ; answers++) {
    engine.beginTurn()
    const answer = readScan(await readBody(engine, 'scan', BLOCK, scanRequest(SERIES, from, to, 100, reverse), 'sync'))
    found.push(...answer.records.map(({ id }) => id))
    if (!answer.more) return { found, answers }
    assert.ok(reverse ? answer.next < to : answer.next > from, 'it comes nearer to its end')
    if (reverse) to = answer.next
    else from = answer.next
  }
}

for (const stage of STAGES) {
  test(`a scan over removals goes on in bounded steps, and misses nothing: ${stage}`, async (t) => {
    const engine = open(t)
    const ids = Array.from({ length: 500 }, (_, n) => idOf(n))
    const living = [0n, 1n, 200n, 498n, 499n]
    const removed = ids.filter((id) => !living.includes(id))
    await fill(engine, ids, removed, stage)
    assert.equal(scanNow(engine, 2n, 1), NEEDS_IO)
    for (const reverse of [false, true]) {
      const { found, answers } = await scanAll(engine, reverse)
      assert.deepEqual(found, reverse ? living.toReversed() : living)
      assert.ok(answers >= removed.length / mostOf(stage), `it took ${answers} answers`)
    }
  })

  test(`a scan over pages that are gone goes on in bounded steps: ${stage}`, async (t) => {
    const engine = open(t)
    const ids = Array.from({ length: 300 }, (_, slice) => pageOf(slice))
    const living = [pageOf(0), pageOf(150), pageOf(299)]
    const removed = ids.filter((id) => !living.includes(id))
    await fill(engine, ids, removed, stage)
    assert.equal(scanNow(engine, pageOf(1), 1), NEEDS_IO)
    for (const reverse of [false, true]) {
      const { found, answers } = await scanAll(engine, reverse)
      assert.deepEqual(found, reverse ? living.toReversed() : living)
      assert.ok(answers >= removed.length / mostOf(stage), `it took ${answers} answers`)
    }
  })

  test(`a page or directory that takes too many steps is large for a validation, and others are not: ${stage}`, async (t) => {
    const engine = open(t)
    const dead = Array.from({ length: 300 }, (_, n) => idOf(n))
    const gone = Array.from({ length: 300 }, (_, n) => pageOf(2 + n))
    const living = [idOf(300), pageOf(1)]
    await fill(engine, [...dead, ...gone, ...living], [...dead, ...gone], stage)
    const slices = [0, 1, DIRECTORY_SLICE]
    const held = new HeldPages()
    const body = held.request(SERIES, slices)
    engine.beginTurn()
    assert.equal(engine.validate(body, 0, body.length, new Float64Array(1), 1, new Uint8Array(4096)), 3, 'later')
    const { pages } = await held.validate(engine, SERIES, slices, 'async')
    assert.deepEqual([...held.verdicts].sort(), [PageVerdict.page, PageVerdict.large])
    assert.deepEqual([...(pages[1]?.records.keys() ?? [])], [pageOf(1)])
  })
}

test('scans of one turn share what they may step over, and those that return what they meet do not care', async (t) => {
  const engine = open(t, {})
  const ids = Array.from({ length: 205 }, (_, n) => idOf(n))
  await fill(engine, ids, ids.slice(0, 200), 'in memory')
  for (let turn = 0; turn < 2; turn++) {
    engine.beginTurn()
    const answered = Array.from({ length: 20 }, () => scanNow(engine, 0n, 1)).filter((written) => written !== NEEDS_IO).length
    assert.ok(answered >= 8 && answered <= 11, `${answered} of 20 were answered at once`)
    assert.notEqual(scanNow(engine, 200n, 1), NEEDS_IO)
  }
})

test('a validation looks up as many headers as the steps of a turn allow, and what the version cache knows does not count', async (t) => {
  const engine = open(t)
  const slices = Array.from({ length: 60 }, (_, slice) => slice)
  await fill(
    engine,
    slices.map((slice) => pageOf(slice)),
    [],
    'flushed',
  )
  const later: number[] = []
  for (let from = 1000; from < 1300; from += 60) {
    const body = new HeldPages().request(
      SERIES,
      slices.map((slice) => from + slice),
    )
    later.push(engine.validate(body, 0, body.length, new Float64Array(1), 1, new Uint8Array(4096)))
  }
  assert.equal(later.filter((written) => written > 3).length, 1, 'one of 60 pages fits in 64 steps')
  const known = new HeldPages().request(SERIES, [1000, 1001])
  assert.ok(engine.validate(known, 0, known.length, new Float64Array(1), 1, new Uint8Array(4096)) > 3)
  assert.ok(TURN_READS * STEPS.readSteps >= 60)
})

test('versions of many pages that no cache knows are looked up on another thread', async (t) => {
  const engine = open(t)
  const slices = Array.from({ length: 40 }, (_, slice) => slice)
  await fill(
    engine,
    slices.map((slice) => pageOf(slice)),
    [],
    'in memory',
  )
  const ask = (wanted: readonly number[]): number => {
    const body = pageVersionsRequest(SERIES, wanted)
    return engine.pageVersions(BLOCK, body, 0, body.length, new Uint8Array(4096), 0)
  }
  assert.notEqual(ask(slices), NEEDS_IO, 'apply has put them into the cache')
  assert.equal(ask(slices.map((slice) => 1000 + slice)), NEEDS_IO)
})

test('reads that walk go one after the other, refused beyond a number, and other reads do not wait for them', async (t) => {
  const engine = open(t, {})
  for (let from = 0; from < 10_000; from += 1000) {
    await write(
      engine,
      OpKind.put,
      Array.from({ length: 1000 }, (_, n) => idOf(from + n)),
    )
  }
  await flush(engine)
  for (let from = 1; from < 10_000; from += 1000) {
    await write(
      engine,
      OpKind.delete,
      Array.from({ length: 999 }, (_, n) => idOf(from + n)),
    )
  }
  engine.rotate()
  const body = scanRequest(SERIES, 0n, MAX_ID, 10, false)
  await engine.scanAsync(BLOCK, body, 0, body.length)
  engine.beginTurn()
  let walked = 0
  const walk = (): Promise<void> => {
    assert.equal(scanNow(engine, 0n, 10), NEEDS_IO)
    return engine.scanAsync(BLOCK, body, 0, body.length).then(() => {
      walked++
    })
  }
  const walks = Array.from({ length: MOST_WALKS }, walk)
  assert.throws(walk, { code: 'overloaded' })
  const get = getRequest(SERIES, [5n])
  await engine.getAsync(BLOCK, get, 0, get.length)
  assert.ok(walked < MOST_WALKS / 2, `${walked} walks came first`)
  await Promise.all(walks)
  await walk()
})

test('a table with a stretch of removals is compacted, one with few of them is not', async (t) => {
  const engine = open(t, {})
  const tables = (): number => engine.stats().recordsLevel0Files as number
  const ids = Array.from({ length: 1000 }, (_, n) => idOf(n))
  const whole = scanRequest(SERIES, 0n, MAX_ID, 10, false)
  await write(engine, OpKind.put, ids)
  await flush(engine)
  await write(engine, OpKind.delete, ids.slice(0, 100))
  await flush(engine)
  assert.equal(tables(), 1)
  await write(engine, OpKind.delete, ids.slice(100, 900))
  await flush(engine)
  for (let waits = 0; tables() > 0; waits++) {
    assert.ok(waits < 3000, 'it is not compacted')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  // It brings the new table into the cache.
  await engine.scanAsync(BLOCK, whole, 0, whole.length)
  assert.notEqual(scanNow(engine, 0n, 10), NEEDS_IO, 'there is nothing to step over any more')
})
