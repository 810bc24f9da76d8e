/** The engine beside the model under random operations, flushes, reopens and installs. A failing run prints its seed. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { blockOf, DIRECTORY_SLICE, encodeSeries, OpKind, PageVerdict } from '@thermocline/protocol'
import { Random } from '@thermocline/simulation'
import { installParts, readParts } from './copy.fixture.ts'
import { HeldPages } from './held-pages.fixture.ts'
import { createMemoryStore, type OpenedEngine, openEngine } from './mod.ts'
import {
  applyBatch,
  buildEntry,
  getRequest,
  ModelBlock,
  type ModelOp,
  type ModelRecord,
  type ModelRequest,
  pageVersionsRequest,
  peek,
  readBody,
  readGet,
  readScan,
  readVersions,
  scanRequest,
  valueIdOf,
} from './model.ts'

const BLOCKS = [3, 4, 65535]
/** Names that belong to each block: short ones, of which one begins another, and a long one. */
const SERIES = new Map(BLOCKS.map((block) => [block, namesOf(block)]))
const SLICE_MS = 1000
const STEPS = 220

function namesOf(block: number): string[] {
  const belongs = (name: string): boolean => blockOf(encodeSeries(name)) === block
  const find = (make: (number: number) => string): string => {
    for (let number = 0; ; number++) if (belongs(make(number))) return make(number)
  }
  const first = find((number) => `a${number}`)
  return [first, find((number) => `${first}\0${number}`), find((number) => `b${number}`), find((number) => `${number}`.padEnd(512, 'x'))]
}

interface Replica {
  engine: OpenedEngine
  /** Entries applied, by block: what a log would replay. */
  readonly reopen: () => Promise<OpenedEngine>
  readonly flushing: Promise<void>[]
}

class Run {
  private readonly random: Random
  private readonly models = new Map<number, ModelBlock>()
  private readonly logs = new Map<number, Uint8Array[]>()
  private readonly replicas: Replica[]
  private clock = 1000
  private readonly used: ModelRequest[] = []
  readonly held = new HeldPages()
  /** Chunks of scans that ended before the scan did. */
  continued = 0

  constructor(seed: number, replicas: Replica[]) {
    this.random = new Random(seed)
    this.replicas = replicas
    for (const block of BLOCKS) {
      this.models.set(block, new ModelBlock(SLICE_MS))
      this.logs.set(block, [])
    }
  }

  private model(block: number): ModelBlock {
    return this.models.get(block) as ModelBlock
  }

  private pick<T>(from: readonly T[]): T {
    return this.random.pick(from)
  }

  private id(): bigint {
    const roll = this.random.below(20)
    if (roll === 0) return 0n
    if (roll === 1) return 2n ** 64n - 1n
    return (BigInt(this.random.below(8000)) << 16n) | BigInt(this.random.below(3))
  }

  private series(block: number): string {
    return this.pick(SERIES.get(block) as string[])
  }

  private request(block: number): ModelRequest {
    const model = this.model(block)
    if (this.used.length > 0 && this.random.below(8) === 0) return this.pick(this.used)
    const ops: ModelOp[] = []
    const outcome = this.random.below(10) === 0 ? 2 : 0
    const seen = new Set<bigint>()
    for (let left = outcome === 0 ? 1 + this.random.below(4) : 0; left > 0; left--) {
      const id = this.id()
      if (seen.has(id)) continue
      seen.add(id)
      const value = this.random.below(3) === 0 ? new Uint8Array(0) : new Uint8Array(this.random.below(300)).fill(this.random.below(256))
      ops.push(this.random.below(4) === 0 ? { kind: OpKind.delete, id, value: new Uint8Array(0) } : { kind: OpKind.put, id, value })
    }
    const requestId = new Uint8Array(16).map(() => this.random.below(256))
    const stamp = this.random.below(12) === 0 ? model.index + 1 : Math.max(0, model.index - this.random.below(12))
    const detail = new Uint8Array(8).map(() => this.random.below(256))
    const made = { requestId, stamp, outcome, detail, series: this.series(block), ops }
    this.used.push(made)
    return made
  }

  private async applyOne(): Promise<void> {
    const block = this.pick(BLOCKS)
    const model = this.model(block)
    const proposer = this.pick(this.replicas).engine
    const requests = []
    const touched = new Set<string>()
    for (let left = this.random.below(4); left > 0; left--) {
      const request = this.request(block)
      if (request.ops.some((op) => touched.has(`${request.series}/${op.id}`))) continue
      for (const op of request.ops) touched.add(`${request.series}/${op.id}`)
      const peeked = await peek(proposer, block, request)
      const known = model.answers.find((answer) => answer.requestId === Buffer.from(request.requestId).toString('hex'))
      assert.equal(peeked.known?.index, known?.index)
      peeked.old.forEach((old, i) => {
        const record = model.get(request.series, (request.ops[i] as ModelOp).id)
        assert.deepEqual([old.exists, old.version, old.size], [record !== undefined, record?.version ?? 0, record?.value.length ?? 0])
      })
      requests.push({ ...request, old: peeked.old })
    }
    const horizon = this.random.below(6) === 0 ? proposer.proposeHorizon(block, 5 + this.random.below(20), this.clock - 50) : 0
    this.clock += this.random.below(10)
    const entry = buildEntry(horizon, this.clock, requests)
    const index = model.index + 1
    const wanted = model.apply(horizon, requests)
    this.logs.get(block)?.push(entry)
    for (const { engine } of this.replicas) {
      const answers = applyBatch(engine, [{ block, index, entry }])
      assert.deepEqual(
        answers.map((answer) => [answer.outcome, answer.index, answer.detail]),
        wanted.map((answer) => [answer.outcome, answer.index, answer.detail]),
      )
      const table = engine.requestTable(block)
      assert.deepEqual(table, { answers: model.answers.length, oldestIndex: model.answers[0]?.index ?? 0, horizon: model.horizon })
    }
  }

  private async check(): Promise<void> {
    const block = this.pick(BLOCKS)
    const model = this.model(block)
    const series = this.series(block)
    const mode = this.pick(['sync', 'async'] as const)
    const { engine } = this.pick(this.replicas)
    const ids = Array.from({ length: this.random.below(6) }, () => this.id())
    const got = readGet(await readBody(engine, 'get', block, getRequest(series, ids), mode), ids)
    assert.equal(got.index, model.index)
    assert.deepEqual(
      got.records,
      ids.map((id) => model.get(series, id)),
    )
    const slices = Array.from({ length: 4 }, () => this.random.below(10))
    const versions = readVersions(await readBody(engine, 'pageVersions', block, pageVersionsRequest(series, slices), mode))
    assert.deepEqual(
      versions.versions,
      slices.map((slice) => model.pageVersion(series, slice)),
    )
    await this.checkScan(engine, block, series, mode)
    await this.checkValidation(engine, block, series, mode)
  }

  /** One cache for all replicas: a version means the same content on each. */
  private async checkValidation(engine: OpenedEngine, block: number, series: string, mode: 'sync' | 'async'): Promise<void> {
    const model = this.model(block)
    const slices = [DIRECTORY_SLICE, ...new Set(Array.from({ length: 1 + this.random.below(4) }, () => this.random.below(10)))]
    for (const slice of slices) if (this.random.below(10) === 0) this.held.forget(series, slice)
    const { index, pages } = await this.held.validate(engine, series, slices, mode)
    assert.equal(index, model.index)
    const all = model.scan(series, 0n, 2n ** 64n - 1n, true)
    if (pages[0]?.isLarge !== true) assert.deepEqual(pages[0]?.slices, [...new Set(all.map(({ id }) => model.sliceOf(id)))])
    for (const [at, slice] of slices.entries()) {
      if (slice === DIRECTORY_SLICE) continue
      const wanted = all.filter(({ id }) => model.sliceOf(id) === slice)
      assert.equal(pages[at]?.version, model.pageVersion(series, slice))
      if (pages[at]?.isLarge === true) continue
      assert.deepEqual(
        [...(pages[at]?.records.values() ?? [])].toSorted((a, b) => (a.id > b.id ? -1 : 1)),
        wanted,
      )
    }
  }

  private async checkScan(engine: OpenedEngine, block: number, series: string, mode: 'sync' | 'async'): Promise<void> {
    const bounds = [this.id(), this.id()].sort((a, b) => (a < b ? -1 : 1)) as [bigint, bigint]
    if (this.random.below(3) === 0) bounds[0] = 0n
    if (this.random.below(3) === 0) bounds[1] = 2n ** 64n - 1n
    const limit = 1 + this.random.below(12)
    const reverse = this.random.below(2) === 0
    const wanted = this.model(block).scan(series, bounds[0], bounds[1], reverse)
    const found: ModelRecord[] = []
    for (;;) {
      const body = scanRequest(series, bounds[0], bounds[1], limit - found.length, reverse)
      const answer = readScan(await readBody(engine, 'scan', block, body, mode))
      found.push(...answer.records)
      const following = wanted[found.length]
      if (following !== undefined) {
        assert.equal(answer.more, true)
        assert.ok(reverse ? answer.next >= following.id : answer.next <= following.id)
      }
      if (!answer.more || found.length === limit) break
      bounds[reverse ? 1 : 0] = answer.next
      this.continued++
    }
    assert.deepEqual(found, wanted.slice(0, limit))
  }

  private startFlush(replica: Replica): void {
    if (replica.engine.stats().frozenBytes !== 0) return
    replica.engine.rotate()
    replica.flushing.push(replica.engine.flush())
  }

  private async reopen(replica: Replica): Promise<void> {
    await Promise.all(replica.flushing.splice(0))
    replica.engine = await replica.reopen()
    for (const position of replica.engine.positions()) {
      assert.deepEqual(position.valueId, valueIdOf(position.block, position.index))
    }
    for (const [block, log] of this.logs) {
      for (let index = replica.engine.appliedIndex(block) + 1; index <= log.length; index++) {
        applyBatch(replica.engine, [{ block, index, entry: log[index - 1] as Uint8Array, wantsAnswers: false }])
      }
    }
  }

  private async install(): Promise<void> {
    const [from, to] = this.random.below(2) === 0 ? [0, 1] : [1, 0]
    const source = this.replicas[from] as Replica
    const target = (this.replicas[to] as Replica).engine
    const block = this.pick(BLOCKS)
    // One block, or several in one batch: what is in it replaces all at once.
    const blocks = this.random.below(2) === 0 ? [block] : [...BLOCKS].sort((a, b) => a - b)
    const head = await source.engine.snapshotOpen(blocks)
    const parts = await readParts(source.engine, head, () => 300 + this.random.below(1000))
    const inIt = head.contents.map((content) => content.block)
    if (inIt.length === 0) return
    const positions = await installParts(target, inIt, parts)
    for (const [at, { block, index, valueId }] of head.contents.entries()) {
      const position = positions[at]
      assert.deepEqual([position?.block, position?.index, position?.valueId], [block, index, valueId])
      assert.equal(target.flushedIndex(block), index)
      const log = this.logs.get(block) as Uint8Array[]
      for (let next = index + 1; next <= log.length; next++) {
        applyBatch(target, [{ block, index: next, entry: log[next - 1] as Uint8Array }])
      }
    }
  }

  async play(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      const roll = this.random.below(40)
      if (roll < 24) await this.applyOne()
      else if (roll < 36) await this.check()
      else if (roll < 38) this.startFlush(this.pick(this.replicas))
      else if (roll === 38) await this.reopen(this.pick(this.replicas))
      else await this.install()
      for (const block of BLOCKS) {
        const digests = this.replicas.map(({ engine }) => engine.digest(block))
        assert.equal(new Set(digests).size, 1, `digests of block ${block} differ: ${digests.join(' ')}`)
      }
    }
    await Promise.all(this.replicas.flatMap((replica) => replica.flushing))
    await Promise.all(this.replicas.map(({ engine }) => engine.close()))
  }
}

const common = {
  sliceDurationMs: SLICE_MS,
  memtableBytes: 1 << 20,
  blockCacheBytes: 1 << 20,
  versionCacheBytes: 16 << 10,
  incarnation: 'test/0',
  verifyOldRecords: true,
}

interface Narrow {
  readonly readSteps?: number
  readonly taskSteps?: number
}
/** Reads stop at nearly each removal. */
const NARROW: Narrow = { readSteps: 1, taskSteps: 1 }
const isNarrow = (seed: number): boolean => seed % 3 === 0

function memoryReplica(narrow: Narrow): Replica {
  const store = createMemoryStore()
  const options = { ...common, ...narrow }
  const replica: Replica = {
    engine: openEngine(options, store),
    flushing: [],
    reopen: async () => {
      await replica.engine.close()
      return openEngine(options, store)
    },
  }
  return replica
}

function diskReplica(folder: string, name: string, narrow: Narrow): Replica {
  const options = { ...common, ...narrow, path: join(folder, name), versionCachePath: join(folder, `${name}.versions`) }
  const replica: Replica = {
    engine: openEngine(options),
    flushing: [],
    reopen: async () => {
      await replica.engine.close()
      return openEngine(options)
    },
  }
  return replica
}

const verdicts = new Set<number>()
const narrowRuns = { verdicts: new Set<number>(), continued: 0 }
for (let seed = 1; seed <= 40; seed++) {
  test(`random operations over memory stores, seed ${seed}`, async () => {
    const narrow = isNarrow(seed) ? NARROW : {}
    const run = new Run(seed, [memoryReplica(narrow), memoryReplica(narrow)])
    await run.play()
    const seen = isNarrow(seed) ? narrowRuns.verdicts : verdicts
    for (const verdict of run.held.verdicts) seen.add(verdict)
    if (isNarrow(seed)) narrowRuns.continued += run.continued
    else assert.equal(run.continued, 0)
  })
}

test('the runs above had validations of every kind, large pages where steps are few, and scans that went on', () => {
  const { unchanged, absent, records, page, large } = PageVerdict
  assert.deepEqual([...verdicts].toSorted(), [unchanged, absent, records, page].toSorted())
  assert.ok(narrowRuns.verdicts.has(large))
  assert.ok(narrowRuns.continued > 0)
})

/** Scans of these missed records that a table held which was not in memory, while the store had range tombstones. */
const KNOWN_SEEDS = [249, 260]
for (const seed of [101, 102, 103, 104, 105, 106, ...KNOWN_SEEDS]) {
  test(`random operations over RocksDB and memory, seed ${seed}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'engine-'))
    try {
      const narrow = isNarrow(seed) ? NARROW : {}
      const second = seed % 2 === 0 ? diskReplica(folder, 'b', narrow) : memoryReplica(narrow)
      await new Run(seed, [diskReplica(folder, 'a', narrow), second]).play()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
}
