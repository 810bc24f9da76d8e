/** The memory tier over an engine, beside the model: requests, writes between them, and validations that are slow or lost. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ByteReader, ByteWriter, blockOf, ERRORS, encodeSeries, Operation, OpKind, PageVerdict, placementOf } from '@thermocline/protocol'
import { Random } from '@thermocline/simulation'
import { createMemoryStore, openEngine } from '../engine/mod.ts'
import { applyBatch, buildEntry, getRequest, ModelBlock, type ModelRecord, peek, readGet, readScan, scanRequest } from '../engine/model.ts'
import { writeRequest } from '../server/raw-client.fixture.ts'
import { LANES, Lane, RINGS, Tier } from './tier.ts'

const SLICE_MS = 1000
const CACHE_BYTES = 32 * 1024 * 1024
/** Bytes of a value. */
const LARGE = 1000
const SERIES = ['alice', 'bob', 'carol']
const folder = mkdtempSync(join(tmpdir(), 'tier-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const blockOfSeries = (series: string): number => blockOf(encodeSeries(series))

interface Response {
  readonly correlation: number
  readonly error: number
  readonly body: Uint8Array
}

function openTier(changes: { path?: string; boot?: number; owner?: string; restoreGeneration?: number } = {}): Tier {
  const tier = new Tier({ owner: 'cluster', cacheBytes: CACHE_BYTES, boot: 1, sliceDurationMs: SLICE_MS, restoreGeneration: 0, ...changes })
  tier.setOwners(placementOf(1).owner, 1)
  return tier
}

function frameOf(requests: readonly { correlation: number; operation: number; body: Uint8Array }[]): Uint8Array {
  const writer = new ByteWriter(1024)
  for (const { correlation, operation, body } of requests) writeRequest(writer, correlation, operation, body)
  return writer.copy()
}

function responsesOf(tier: Tier): Response[] {
  const responses: Response[] = []
  for (const connection of tier.dirty()) {
    const reader = new ByteReader(tier.flush(connection, 7).slice())
    while (reader.remaining > 0) {
      const end = reader.u32() + reader.at
      assert.equal(reader.u8(), 5)
      assert.equal(reader.u32(), 7)
      for (let left = reader.u16(); left > 0; left--) {
        responses.push({ correlation: reader.u32(), error: reader.u8(), body: reader.take(reader.u32()).slice() })
      }
      assert.equal(reader.at, end)
    }
  }
  return responses
}

class Run {
  readonly random: Random
  readonly engine = openEngine(
    { sliceDurationMs: SLICE_MS, memtableBytes: 1 << 20, blockCacheBytes: 1 << 20, versionCacheBytes: 16 << 10, incarnation: 't' },
    createMemoryStore(),
  )
  readonly models = new Map(SERIES.map((series) => [blockOfSeries(series), new ModelBlock(SLICE_MS)]))
  tier: Tier
  private correlation = 0
  private writes = 0

  constructor(seed: number, tier = openTier()) {
    this.random = new Random(seed)
    this.tier = tier
  }

  modelOf(series: string): ModelBlock {
    return this.models.get(blockOfSeries(series)) as ModelBlock
  }

  private id(): bigint {
    return (BigInt(this.random.below(9000)) << 16n) | BigInt(this.random.below(2))
  }

  /** Puts a value; one that is not large may turn out a delete. */
  async write(series: string, id = this.id(), valueBytes = this.random.below(400)): Promise<void> {
    const block = blockOfSeries(series)
    const model = this.modelOf(series)
    const requestId = new Uint8Array(16)
    new DataView(requestId.buffer).setUint32(0, ++this.writes)
    const isDelete = this.random.below(4) === 0 && valueBytes < LARGE
    const ops = [
      isDelete
        ? { kind: OpKind.delete, id, value: new Uint8Array(0) }
        : { kind: OpKind.put, id, value: new Uint8Array(valueBytes).fill(this.random.below(256)) },
    ]
    const request = { requestId, stamp: model.index, outcome: 0, detail: new Uint8Array(8), series, ops }
    const { old } = await peek(this.engine, block, request)
    model.apply(0, [request])
    applyBatch(this.engine, [{ block, index: model.index, entry: buildEntry(0, 1, [{ ...request, old }]) }])
  }

  /** Asks the tier, and sees to it that every validation is answered by the engine, as a storage node would. */
  async ask(operation: number, body: Uint8Array): Promise<Response> {
    const correlation = ++this.correlation
    const frame = frameOf([{ correlation, operation, body }])
    this.tier.take(1, frame, 0, frame.length, 1, 100)
    for (let turn = 0; turn < 20; turn++) {
      const [response] = responsesOf(this.tier)
      if (response !== undefined) {
        assert.equal(response.correlation, correlation)
        return response
      }
      await this.validate()
    }
    assert.fail('no response after 20 validations')
  }

  private async validate(): Promise<void> {
    for (let lane = 0; lane < LANES; lane++) {
      const begun = this.tier.begin(0, lane, 100)
      if (begun === undefined) continue
      const body = begun.body.slice()
      const isPatient = lane === Lane.patient
      const later = () => this.random.below(5) === 0
      const answer = isPatient ? await this.engine.validateAsync(body, 0, body.length) : this.validateNow(body, later)
      this.tier.finish(begun.number, answer, 100)
    }
  }

  /** What the engine answers at once; `later` says which series it does not answer. */
  validateNow(body: Uint8Array, later = () => false): Uint8Array {
    const count = (body[5] as number) | ((body[6] as number) << 8)
    const needs = new Float64Array(count).map(() => (later() ? -1 : 0))
    const answer = new Uint8Array(8_000_000)
    return answer.subarray(0, this.engine.validate(body, 0, body.length, needs, count, answer))
  }

  async check(): Promise<void> {
    const series = this.random.pick(SERIES)
    if (this.random.below(2) === 0) await this.checkGet(series)
    else await this.checkScan(series)
  }

  private async checkGet(series: string): Promise<void> {
    const ids = [...new Set(Array.from({ length: 1 + this.random.below(5) }, () => this.id()))]
    const { error, body } = await this.ask(Operation.get, getRequest(series, ids))
    assert.equal(error, 0)
    const model = this.modelOf(series)
    const { index, records } = readGet(body, ids)
    assert.equal(index, model.index)
    assert.deepEqual(
      records,
      ids.map((id) => model.get(series, id)),
    )
  }

  private async checkScan(series: string): Promise<void> {
    let [from, to] = [this.id(), this.id()].sort((a, b) => (a < b ? -1 : 1)) as [bigint, bigint]
    if (this.random.below(3) === 0) [from, to] = [0n, 2n ** 64n - 1n]
    const reverse = this.random.below(2) === 0
    const limit = 1 + this.random.below(20)
    const wanted = this.modelOf(series).scan(series, from, to, reverse).slice(0, limit)
    const found: ModelRecord[] = []
    for (let chunk = 0; chunk < 100; chunk++) {
      const { error, body } = await this.ask(Operation.scan, scanRequest(series, from, to, limit - found.length, reverse))
      assert.equal(error, 0)
      const { records, more, next } = readScan(body)
      found.push(...records)
      if (!more || found.length >= limit) break
      if (reverse) to = next
      else from = next
    }
    assert.deepEqual(found, wanted)
  }
}

for (let seed = 1; seed <= 20; seed++) {
  test(`reads through the tier are what the model has, seed ${seed}`, async () => {
    const run = new Run(seed)
    for (let step = 0; step < 300; step++) {
      if (run.random.below(3) === 0) await run.write(run.random.pick(SERIES))
      else await run.check()
    }
    const { unchanged, records, page, waiting, notCached } = run.tier.stats()
    assert.ok(unchanged > 0 && records > 0 && page > 0)
    assert.deepEqual([waiting, notCached], [0, 0])
    run.tier.close()
  })
}

test('a cache that outlived its process serves at once, and what is torn in it is a miss', async () => {
  const path = join(folder, 'kept')
  const run = new Run(99, openTier({ path }))
  for (let step = 0; step < 200; step++) await (step % 2 === 0 ? run.write('alice') : run.check())
  run.tier.close()
  const kept = readFileSync(path)
  assert.equal(kept.length, CACHE_BYTES)
  run.tier = openTier({ path, boot: 3 })
  assert.equal(run.tier.stats().warm, 1)
  for (let step = 0; step < 50; step++) await run.check()
  const { page, unchanged, rings } = run.tier.stats()
  assert.ok(unchanged > page, `${unchanged} unchanged, ${page} fetched`)
  assert.equal(
    rings.reduce((sum, { torn }) => sum + torn, 0),
    0,
  )
  run.tier.close()
  // Every byte of every entry's content, one in a hundred.
  for (let at = 300_000; at < kept.length; at++) if (kept[at] !== 0 && run.random.below(100) === 0) kept[at] = (kept[at] as number) ^ 0x40
  writeFileSync(path, kept)
  run.tier = openTier({ path, boot: 5 })
  for (let step = 0; step < 100; step++) await run.check()
  assert.ok(run.tier.stats().rings.some(({ torn }) => torn > 0))
  run.tier.close()
})

test('a cache of another cluster or another history is nobody’s', async () => {
  const path = join(folder, 'owned')
  const run = new Run(5, openTier({ path }))
  for (let step = 0; step < 50; step++) await (step % 2 === 0 ? run.write('alice') : run.check())
  run.tier.close()
  for (const changes of [{ owner: 'another' }, { restoreGeneration: 1 }]) {
    const other = openTier({ path, ...changes })
    assert.equal(other.stats().warm, 0)
    other.close()
  }
})

test('the file is the cache’s size, and is one process’s', () => {
  const path = join(folder, 'locked')
  const tier = openTier({ path })
  assert.equal(readFileSync(path).length, CACHE_BYTES)
  assert.throws(() => openTier({ path }), { code: 'locked' })
  tier.close()
  assert.throws(
    () => new Tier({ owner: '', cacheBytes: 1000, boot: 1, sliceDurationMs: SLICE_MS, restoreGeneration: 0 }),
    /smaller than 1 MiB/,
  )
})

test('pages beyond 64 KiB are the storage tier’s, and are asked about again only after a while', async () => {
  const run = new Run(7)
  for (let at = 0; at < 3; at++) await run.write('alice', BigInt(at) << 16n, 30_000)
  const request = getRequest('alice', [0n])
  assert.equal((await run.ask(Operation.get, request)).error, 25)
  assert.equal((await run.ask(Operation.get, request)).error, 25)
  assert.equal(run.tier.stats().large, 1)
  run.tier.close()
})

test('a page that another validation calls large at the same version is the storage tier’s, and not empty', async () => {
  const run = new Run(7)
  await run.write('alice', 1n << 16n, 5)
  const body = getRequest('alice', [1n << 16n])
  assert.equal((await run.ask(Operation.get, body)).error, 0)
  const begin = (correlation: number): number => {
    const frame = frameOf([{ correlation, operation: Operation.get, body }])
    run.tier.take(1, frame, 0, frame.length, 1, 100)
    return (run.tier.begin(0, Lane.held, 1) as { number: number }).number
  }
  const answerOf = (verdict: number): Uint8Array => {
    const answer = new ByteWriter(64)
    answer.u16(1)
    answer.u8(0)
    answer.u48(1)
    answer.u8(verdict)
    if (verdict === PageVerdict.large) answer.u48(1)
    return answer.copy()
  }
  const [first, second] = [begin(100), begin(101)]
  run.tier.finish(second, answerOf(PageVerdict.large), 100)
  run.tier.finish(first, answerOf(PageVerdict.unchanged), 100)
  assert.deepEqual(
    responsesOf(run.tier).map(({ error }) => error),
    [25, 25],
  )
  run.tier.close()
})

test('requests that arrive after a validation began wait for the next (⚖17), and equal ones travel once', async () => {
  const run = new Run(8)
  await run.write('alice', 1n << 16n)
  const body = getRequest('alice', [1n << 16n])
  const send = (correlation: number) => {
    const frame = frameOf([{ correlation, operation: Operation.get, body }])
    run.tier.take(1, frame, 0, frame.length, 1, 100)
  }
  send(1)
  send(2)
  assert.equal(run.tier.waiting(0, Lane.missing), 1)
  const first = run.tier.begin(0, Lane.missing, 1)
  const answer = await run.engine.validateAsync((first as { body: Uint8Array }).body, 0, (first as { body: Uint8Array }).body.length)
  send(3)
  await run.write('alice', 1n << 16n, 5)
  run.tier.finish((first as { number: number }).number, answer, 100)
  assert.deepEqual(
    responsesOf(run.tier).map(({ correlation }) => correlation),
    [2, 1],
  )
  const second = run.tier.begin(0, Lane.missing, 1)
  assert.ok(second !== undefined)
  run.tier.fail(second.number, 'unavailable', 'nobody answers')
  const [failed] = responsesOf(run.tier)
  assert.deepEqual([failed?.correlation, failed?.error], [3, 9])
  run.tier.close()
})

test('a cache that is warmed by a peer has what is found there, of the blocks that are asked for', async () => {
  const hot = new Run(21)
  for (const series of SERIES) {
    for (let at = 1; at <= 3; at++) await hot.write(series, BigInt(at * SLICE_MS) << 16n, LARGE)
    // Once to fetch the page, and once more to find it; the third page is fetched and never found.
    for (const at of [1, 2, 3, 1, 2]) await hot.ask(Operation.get, getRequest(series, [BigInt(at * SLICE_MS) << 16n]))
  }
  const owners = Uint16Array.from({ length: 65_536 }, (_, block) => (block === blockOfSeries('carol') ? 1 : 0))
  const pages = []
  for (let ring = 0; ring < RINGS; ring++) {
    let position = 0
    do {
      const piece = hot.tier.copyHot(ring, position, owners, 0)
      position = piece.position
      if (piece.pages.length > 0) pages.push(piece.pages)
    } while (position !== 0)
  }
  const warmed = openTier({ boot: 9 })
  assert.equal(
    pages.reduce((sum, one) => sum + warmed.putHot(one, 100), 0),
    4,
  )
  assert.equal(
    pages.reduce((sum, one) => sum + warmed.putHot(one, 100), 0),
    0,
  )
  hot.tier.close()
  hot.tier = warmed
  for (const series of SERIES) for (const at of [1, 2, 3]) await hot.ask(Operation.get, getRequest(series, [BigInt(at * SLICE_MS) << 16n]))
  const { unchanged, page } = warmed.stats()
  assert.deepEqual([unchanged, page], [4, 5])
  const damaged = (pages[0] as Uint8Array).slice()
  damaged[damaged.length - 1] = (damaged[damaged.length - 1] as number) ^ 1
  assert.throws(() => warmed.putHot(damaged, 100), { code: 'bad_frame' })
  assert.throws(() => warmed.putHot(damaged.subarray(0, 70), 100), { code: 'bad_frame' })
  warmed.close()
})

test('a scan ends where slices are the storage tier’s, and what is older is left to it', async () => {
  const run = new Run(22)
  for (let at = 90; at <= 99; at++) await run.write('alice', BigInt(at * SLICE_MS) << 16n, LARGE)
  const scan = (from: bigint, to: bigint, isReverse: boolean) => run.ask(Operation.scan, scanRequest('alice', from, to, 100, isReverse))
  run.tier.setNewerThan(5 * SLICE_MS)
  const found: number[] = []
  let next = 2n ** 64n - 1n
  for (let chunk = 0; chunk < 3; chunk++) {
    const { error, body } = await scan(0n, next, true)
    if (error === ERRORS.not_cached.number) break
    const { records, more, next: from } = readScan(body)
    found.push(...records.map(({ id }) => Number(id >> 16n) / SLICE_MS))
    assert.ok(more)
    next = from
  }
  assert.deepEqual(found, [99, 98, 97, 96, 95])
  assert.equal(next >> 16n, BigInt(95 * SLICE_MS - 1))
  assert.equal((await scan(0n, next, true)).error, ERRORS.not_cached.number)
  assert.equal((await scan(BigInt(90 * SLICE_MS) << 16n, 2n ** 64n - 1n, false)).error, ERRORS.not_cached.number)
  assert.equal((await scan(BigInt(96 * SLICE_MS) << 16n, 2n ** 64n - 1n, false)).error, 0)
  run.tier.close()
})

test('of what lacks pages only so much waits; equal requests share one page, and the rest are told when to come again', async () => {
  const run = new Run(23)
  await run.write('alice', 1n << 16n, 10)
  let correlation = 0
  const send = (slice: number) => {
    const body = getRequest('alice', [BigInt(slice * SLICE_MS) << 16n])
    const frame = frameOf([{ correlation: ++correlation, operation: Operation.get, body }])
    run.tier.take(1, frame, 0, frame.length, 1, 100)
  }
  for (let slice = 0; slice < 512; slice++) send(slice)
  // They join what has not begun, however long ago it was opened.
  for (let slice = 0; slice < 512; slice++) send(slice)
  assert.deepEqual([run.tier.waiting(0, Lane.missing), run.tier.stats().joined], [512, 512])
  assert.equal(responsesOf(run.tier).length, 0)
  send(512)
  const [refused] = responsesOf(run.tier)
  assert.deepEqual([refused?.correlation, refused?.error], [1025, ERRORS.overloaded.number])
  const retryAfterMs = new ByteReader((refused as Response).body.subarray(6)).u48()
  assert.ok(retryAfterMs > 0 && retryAfterMs < 1000)
  while (run.tier.waiting(0, Lane.missing) > 0) {
    const { number, body } = run.tier.begin(0, Lane.missing, 100) as { number: number; body: Uint8Array }
    run.tier.finish(number, run.validateNow(body), 100)
  }
  assert.equal(responsesOf(run.tier).filter(({ error }) => error === 0).length, 1024)
  run.tier.close()
})

test('a page that came while a request for it waited is not fetched again', async () => {
  const run = new Run(24)
  await run.write('alice', 1n << 16n, 10)
  const frame = frameOf([{ correlation: 1, operation: Operation.get, body: getRequest('alice', [1n << 16n]) }])
  const finish = async () => {
    const { number, body } = run.tier.begin(0, Lane.missing, 100) as { number: number; body: Uint8Array }
    run.tier.take(1, frame, 0, frame.length, 1, 100)
    run.tier.finish(number, await run.engine.validateAsync(body, 0, body.length), 100)
  }
  run.tier.take(1, frame, 0, frame.length, 1, 100)
  await finish()
  await finish()
  assert.deepEqual([run.tier.stats().page, run.tier.stats().unchanged], [1, 1])
  run.tier.close()
})

test('what is malformed is told, and a connection that is gone gets nothing', () => {
  const tier = openTier()
  const send = (operation: number, body: Uint8Array) => {
    const frame = frameOf([{ correlation: 1, operation, body }])
    tier.take(1, frame, 0, frame.length, 1, 100)
    return responsesOf(tier)[0]?.error
  }
  assert.equal(send(Operation.write, new Uint8Array(3)), 14)
  assert.equal(send(Operation.get, new Uint8Array(3)), 1)
  assert.equal(send(Operation.scan, scanRequest('a', 2n, 1n, 1, true)), 1)
  assert.throws(() => tier.take(1, new Uint8Array(5), 0, 5, 1, 100), { code: 'bad_frame' })
  const frame = frameOf([{ correlation: 1, operation: Operation.get, body: getRequest('a', [1n]) }])
  tier.take(2, frame, 0, frame.length, 1, 100)
  tier.forget(2)
  const begun = tier.begin(0, Lane.missing, 1)
  tier.fail((begun as { number: number }).number, 'unavailable', '')
  assert.deepEqual(tier.dirty(), [])
  assert.throws(() => tier.finish(77, new Uint8Array(2), 100), /no validation of that number/)
  tier.close()
})

test('a get that names a record more than once is refused by its id; of pages it may name 64, and their answer fits', async () => {
  const run = new Run(25)
  const ids = Array.from({ length: 64 }, (_, at) => BigInt(at * SLICE_MS) << 16n)
  for (const id of ids) await run.write('alice', id, 60_000)
  const { error, body } = await run.ask(Operation.get, getRequest('alice', ids))
  assert.equal(error, 0)
  assert.ok(body.length > 64 * 60_000)
  const repeated = await run.ask(Operation.get, getRequest('alice', [...ids.slice(0, 9), ids[5] as bigint]))
  assert.equal(repeated.error, ERRORS.invalid_argument.number)
  assert.match(new TextDecoder().decode(repeated.body), /ids: 5000-0 is named more than once/)
  run.tier.close()
})

test('of answers that are not sent yet only so many are kept; the rest are told when to come again', async () => {
  const MOST_BYTES = 64 * 1024 * 1024
  const VALUE_BYTES = 60_000
  const EACH = 120
  const run = new Run(26)
  const body = getRequest('alice', [1n << 16n])
  await run.write('alice', 1n << 16n, VALUE_BYTES)
  await run.ask(Operation.get, body)
  const frame = frameOf(Array.from({ length: EACH }, (_, correlation) => ({ correlation, operation: Operation.get, body })))
  const askOnTen = (first: number) => {
    for (let connection = first; connection < first + 10; connection++) run.tier.take(connection, frame, 0, frame.length, EACH, 100)
    const begun = run.tier.begin(0, Lane.held, 100) as { number: number; body: Uint8Array }
    run.tier.finish(begun.number, run.validateNow(begun.body), 100)
  }
  const fitting = Math.floor(MOST_BYTES / (VALUE_BYTES + 25))
  // Those of connections that are gone, and those that were sent, make room again.
  askOnTen(10)
  for (let connection = 10; connection < 20; connection++) run.tier.forget(connection)
  askOnTen(20)
  askOnTen(30)
  const responses = responsesOf(run.tier)
  assert.equal(responses.filter(({ error }) => error === 0).length, fitting)
  const refused = responses.filter(({ error }) => error === ERRORS.overloaded.number)
  assert.equal(refused.length, 20 * EACH - fitting)
  assert.ok(new ByteReader((refused[0] as Response).body.subarray(6)).u48() > 0)
  assert.equal(run.tier.stats().overloaded, 30 * EACH - 2 * fitting)
  askOnTen(20)
  assert.equal(responsesOf(run.tier).filter(({ error }) => error === 0).length, fitting)
  run.tier.close()
})
