/** Batches between two replicas whose frames are handed over at once, over engines in memory; the logs are durable on command. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, ByteWriter, ThermoclineError } from '@thermocline/protocol'
import { flush, putAt } from '../engine/copy.fixture.ts'
import { type Engine, type OpenedEngine, openEngine } from '../engine/mod.ts'
import type { BatchContent, BatchWant } from '../paxos/batch-messages.ts'
import { BlockSet } from '../paxos/block-set.ts'
import { type BlockState, NO_ROUND } from '../paxos/block-state.ts'
import { FETCH_PAUSE_MS, MAX_BATCH_BLOCKS } from '../paxos/constants.ts'
import { Core, type LogSink, type Outbox } from '../paxos/core.ts'
import { Learner } from '../paxos/learner.ts'
import { FetchStatus, MessageWriter, type PeerHandler, readMessages } from '../paxos/messages.ts'
import { type ProcessRef, ProcessTable } from '../paxos/processes.ts'
import type { SharedLog } from '../wal/shared-log.ts'
import { Copier, GATHER_MS, MAX_BATCHES, PART_TIMEOUT_MS, PEER_PAUSE_MS } from './copier.ts'
import { CopyRate, MAX_LEVEL0_TABLES, SLOW_SYNC_MS } from './copy-rate.ts'
import { CopyServer, MAX_SERVED, SERVED_IDLE_MS } from './copy-server.ts'

const LEARNER = 0
const REPLICAS = 3
const SWEEP = 20
const options = { sliceDurationMs: 1000, memtableBytes: 1 << 30, blockCacheBytes: 0, versionCacheBytes: 1 << 16, incarnation: 'x' }

/** The same entry on every replica. */
const put = (engine: OpenedEngine, block: number): Promise<void> => putAt(engine, block, block, [1n << 16n], Uint8Array.of(block))

/** Lets everything under way in engines in memory come to its end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** What replaces methods of an engine. */
type Overrides = Partial<Pick<Engine, 'pressure' | 'installEnd' | 'installBegin'>>

/** Replica 0, a learner that copies, and voters that serve. */
class Group {
  readonly processes = new ProcessTable()
  readonly refs: ProcessRef[] = []
  readonly cores: Core[] = []
  readonly engines: OpenedEngine[] = []
  readonly servers: CopyServer[] = []
  readonly copier: Copier
  readonly rate = new CopyRate()
  readonly records: string[] = []
  readonly violations: string[] = []
  readonly said: string[] = []
  readonly wants: number[][] = []
  /** Replicas that are not connected. */
  readonly gone = new Set<number>()
  overrides: Overrides = {}
  syncWaitMs = 0
  isStrained = false
  flushesWanted = 0
  flushes = 0
  private durableWrite = 0
  private nowMs = 1000

  constructor() {
    for (let replica = 0; replica < REPLICAS; replica++)
      this.refs.push(this.processes.intern({ group: 0, replica, incarnation: { number: 1, nonce: String(replica).repeat(16) }, boot: 1 }))
    for (let replica = 0; replica < REPLICAS; replica++) {
      this.engines.push(openEngine(options))
      this.cores.push(this.makeCore(replica))
    }
    const engine = this.overriding(this.engines[LEARNER] as OpenedEngine)
    const shared = { engine, rate: this.rate, isStrained: () => this.isStrained, onWork: () => {} }
    this.copier = new Copier({
      ...shared,
      core: this.cores[LEARNER] as Core,
      log: this.makeLog(),
      abandon: (state) => this.said.push(`abandon ${state.block}`),
    })
    for (const [replica, core] of this.cores.entries()) {
      this.servers.push(
        new CopyServer({
          ...shared,
          core,
          engine: this.engines[replica] as Engine,
          rate: new CopyRate(),
          syncWaitMs: () => this.syncWaitMs,
          wantFlush: () => ++this.flushesWanted,
          flushes: () => this.flushes,
        }),
      )
    }
  }

  private overriding(engine: Engine): Engine {
    return new Proxy(engine, {
      get: (target, name) => {
        const value: unknown = Reflect.get(this.overrides, name) ?? Reflect.get(target, name)
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
      },
    })
  }

  private makeCore(replica: number): Core {
    const writer = new ByteWriter(4 * 1024 * 1024)
    const log: LogSink = { promise: () => 1, accept: () => 1, learned: () => 1, chosen: () => {}, durableWrite: 0 }
    let to = -1
    const outbox: Outbox = {
      messages: new MessageWriter(this.processes, this.refs[replica] as ProcessRef),
      now: (peer) => {
        if (this.gone.has(peer)) return undefined
        if (to < 0) {
          queueMicrotask(() => {
            const bytes = writer.written().slice()
            writer.reset()
            const receiver = to
            to = -1
            this.deliver(replica, receiver, bytes)
          })
        }
        to = peer
        return writer
      },
      afterSync: () => undefined,
    }
    const core = new Core({
      processes: this.processes,
      self: this.refs[replica] as ProcessRef,
      replica,
      replicaCount: REPLICAS,
      log,
      outbox,
      random: () => 0.5,
      priority: () => [0, 1, 2],
      votes: replica === LEARNER ? new BlockSet() : BlockSet.full(),
      remember: () => 0,
      checkEntry: () => undefined,
      violation: (what) => this.violations.push(what),
    })
    Object.assign(core, { isActive: true, live: 0b111, nowMs: this.nowMs })
    for (const [peer, ref] of this.refs.entries()) core.peerProcess[peer] = ref
    for (let peer = 1; peer < REPLICAS; peer++) core.peerVotes[peer] = BlockSet.full()
    return core
  }

  private makeLog(): SharedLog {
    const add = (record: string): number => {
      this.records.push(record)
      return this.durableWrite + 1
    }
    const self = this
    return {
      copyBegin: (block: number) => add(`begin ${block}`),
      copyEnd: (block: number, index: number) => add(`end ${block}/${index}`),
      get durableWrite() {
        return self.durableWrite
      },
    } as unknown as SharedLog
  }

  private deliver(from: number, to: number, bytes: Uint8Array): void {
    const [server, { copier }] = [this.servers[to] as CopyServer, this]
    const handler: Partial<PeerHandler> = {
      onFetch: () => {},
      onWantBatch: (question: number, wants: readonly BatchWant[]) => {
        this.wants.push(wants.map(({ block }) => block))
        server.onWantBatch(from, question, wants)
      },
      onBatchHead: (question: number, contents: readonly BatchContent[]) => copier.onHead(from, question, contents),
      onWantPart: (question, part) => server.onWantPart(from, question, part),
      onBatchPart: (question, part, syncWaitMs, body) => copier.onPart(from, question, part, syncWaitMs, body),
      onBatchGone: (question, isBusy) => {
        this.said.push(isBusy ? 'busy' : 'gone')
        copier.onGone(from, question, isBusy)
      },
      onDropBatch: (question) => {
        this.said.push('drop')
        server.onDrop(from, question)
      },
    }
    readMessages(new ByteReader(bytes), this.processes, this.refs[from] as ProcessRef, handler as PeerHandler)
  }

  /** These blocks have one entry at each of the voters, which is flushed; the learner knows of it. */
  async fill(blocks: readonly number[]): Promise<BlockState[]> {
    for (const replica of [1, 2]) {
      for (const block of blocks) {
        await put(this.engines[replica] as OpenedEngine, block)
        ;(this.cores[replica] as Core).block(block).chosen = 1
      }
      await flush(this.engines[replica] as OpenedEngine)
    }
    return blocks.map((block) => this.knows(block, 1))
  }

  knows(block: number, index: number): BlockState {
    const core = this.cores[LEARNER] as Core
    const state = core.block(block)
    core.noteBehind(state, index)
    return state
  }

  async sync(): Promise<void> {
    this.durableWrite++
    await this.turn()
  }

  async turn(): Promise<void> {
    this.copier.advance()
    for (const server of this.servers) server.advance()
    await settle()
  }

  /** Time passes, a sweep at a time, with a sync in each. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += SWEEP) {
      this.nowMs += SWEEP
      for (const core of this.cores) core.nowMs = this.nowMs
      this.copier.sweep()
      for (const server of this.servers) server.sweep()
      await this.sync()
    }
  }

  async close(): Promise<void> {
    for (const engine of this.engines) await engine.close()
  }

  assertCopied(blocks: readonly number[]): void {
    for (const block of blocks) {
      const state = (this.cores[LEARNER] as Core).block(block)
      assert.deepEqual([state.chosen, state.isCopying, state.isQueued], [1, false, false], `block ${block}`)
      assert.equal((this.engines[LEARNER] as OpenedEngine).digest(block), (this.engines[1] as OpenedEngine).digest(block))
    }
  }
}

const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, at) => first + at)

test('many blocks travel in few batches, each begun durably in the log and ended there', async () => {
  const group = new Group()
  const blocks = range(0, 2 * MAX_BATCH_BLOCKS + 88)
  const states = await group.fill(blocks)
  const engine = group.engines[LEARNER] as OpenedEngine
  let begun = 0
  group.overrides = {
    installBegin: (batch) => {
      begun++
      return engine.installBegin(batch)
    },
  }
  for (const state of states) group.copier.want(state, 1)
  for (let turn = 0; turn < 3; turn++) await group.turn()
  assert.deepEqual([group.wants.length, group.records.length], [2, 2 * MAX_BATCH_BLOCKS], 'begins are logged')
  assert.equal(begun, 0, 'and nothing is installed before they are durable')
  assert.ok(states.slice(0, 2 * MAX_BATCH_BLOCKS).every(({ isCopying }) => isCopying))
  await group.pass(200)
  group.assertCopied(blocks)
  assert.deepEqual(
    group.wants.map(({ length }) => length),
    [MAX_BATCH_BLOCKS, MAX_BATCH_BLOCKS, 88],
  )
  for (const block of blocks) {
    const [begin, end] = [group.records.indexOf(`begin ${block}`), group.records.indexOf(`end ${block}/1`)]
    assert.ok(begin >= 0 && begin < end, `block ${block}`)
  }
  assert.deepEqual([group.copier.copied, group.copier.batchesCopied, group.copier.failures], [blocks.length, 3, 0])
  assert.ok(group.said.includes('abandon 5'))
  assert.equal((group.servers[1] as CopyServer).serving, 0)
  await group.close()
})

test('blocks that are asked for one after the other leave together, and the one that a client waits for leads', async () => {
  const group = new Group()
  const count = MAX_BATCH_BLOCKS + 44
  const states = await group.fill(range(10, count))
  for (const state of states.slice(0, 100)) group.copier.want(state, 1)
  await group.turn()
  assert.deepEqual(group.wants, [])
  for (const state of states.slice(100)) group.copier.want(state, 1)
  group.copier.copySoon(40)
  await group.turn()
  assert.deepEqual(group.wants[0], range(40, MAX_BATCH_BLOCKS))
  await group.pass(4 * GATHER_MS)
  group.assertCopied(range(10, count))
  await group.close()
})

test('what the peer has not flushed is learned otherwise, and flushed there only if no log will do', async () => {
  const group = new Group()
  const [flushed] = await group.fill([1])
  const source = group.engines[1] as OpenedEngine
  for (const block of [0, 3]) {
    await put(source, block)
    ;(group.cores[1] as Core).block(block).chosen = 1
  }
  const entries = group.knows(0, 1)
  for (const state of [flushed as BlockState, entries]) group.copier.want(state, 1)
  await group.pass(200)
  group.assertCopied([1])
  assert.deepEqual([entries.isCopying, entries.isQueued, entries.copyDeniedBy, group.flushesWanted], [false, false, 0b10, 0])
  const wrong = group.knows(3, 1)
  wrong.needsCopy = true
  group.copier.want(wrong, 1)
  await group.pass(400)
  assert.ok(group.flushesWanted > 0)
  await flush(source)
  group.copier.want(wrong, 1)
  await group.pass(400)
  assert.deepEqual([wrong.chosen, wrong.needsCopy], [1, false])
  await group.close()
})

test('a batch of which much is not flushed waits for a flush, and the next one does not', async () => {
  const group = new Group()
  const blocks = range(0, 200)
  await group.fill(blocks)
  const source = group.engines[1] as OpenedEngine
  for (const block of blocks) {
    await putAt(source, block, 1000 + block, [2n << 16n], Uint8Array.of(block))
    ;(group.cores[1] as Core).block(block).chosen = 2
  }
  const states = blocks.map((block) => group.knows(block, 2))
  for (const state of states) group.copier.want(state, 1)
  await group.pass(400)
  assert.deepEqual([group.wants.length, group.flushesWanted, states.some(({ chosen }) => chosen > 0)], [1, 1, false])
  await flush(source)
  group.flushes++
  await group.pass(400)
  assert.ok(states.every(({ chosen }) => chosen === 2))
  for (const block of blocks) {
    await putAt(source, block, 2000 + block, [3n << 16n], Uint8Array.of(block))
    ;(group.cores[1] as Core).block(block).chosen = 3
    group.copier.want(group.knows(block, 3), 1)
  }
  await group.pass(400)
  assert.equal(group.flushesWanted, 1)
  await group.close()
})

test('a block that fails its checks is found by halving, and holds up no other', async () => {
  const group = new Group()
  const bad = 77
  const states = await group.fill(range(0, 200))
  const batches = new Map<number, readonly number[]>()
  const engine = group.engines[LEARNER] as OpenedEngine
  group.overrides = {
    installBegin: async (blocks) => {
      const install = await engine.installBegin(blocks)
      batches.set(install, blocks)
      return install
    },
    installEnd: (install) =>
      batches.get(install)?.includes(bad)
        ? Promise.reject(new ThermoclineError('corrupt', 'it does not add up to its digest'))
        : engine.installEnd(install),
  }
  const good = range(0, 200).filter((block) => block !== bad)
  for (let tries = 0; tries < 40 && group.copier.copied < good.length; tries++) {
    // As the learner does that still lacks them.
    for (const state of states) if (state.chosen === 0 && (state.copyDeniedBy & 0b10) === 0) group.copier.want(state, 1)
    await group.pass(PEER_PAUSE_MS + GATHER_MS)
  }
  group.assertCopied(good)
  const state = states[bad] as BlockState
  assert.deepEqual([state.chosen, state.copyDeniedBy], [0, 0b10])
  assert.ok(group.wants.length < 40, `${group.wants.length} batches`)
  // Another peer's copy passes.
  group.overrides = {}
  group.copier.want(state, 2)
  await group.pass(2 * PEER_PAUSE_MS)
  group.assertCopied([bad])
  await group.close()
})

test('nothing is installed while level 0 is full, and less is taken in', async () => {
  const group = new Group()
  const states = await group.fill(range(0, 300))
  group.overrides = { pressure: () => ({ level0Tables: MAX_LEVEL0_TABLES, pendingCompactionBytes: 0 }) }
  for (const state of states) group.copier.want(state, 1)
  await group.pass(PART_TIMEOUT_MS + 1000)
  assert.deepEqual([group.copier.copied, group.copier.failures, group.copier.copying], [0, 0, 300])
  assert.ok(group.rate.share < 0.1, `${group.rate.share}`)
  group.overrides = {}
  await group.pass(100)
  group.assertCopied(range(0, 300))
  await group.close()
})

test('the rate falls while this log is slow or the sender says that its own is', async () => {
  for (const where of ['here', 'there']) {
    const group = new Group()
    const [state] = await group.fill([5])
    if (where === 'here') group.isStrained = true
    else group.syncWaitMs = SLOW_SYNC_MS + 1
    group.copier.want(state as BlockState, 1)
    await group.pass(300)
    assert.ok(group.rate.share < 1, where)
    group.assertCopied([5])
    await group.close()
  }
})

test('a head and parts count only of a batch that was asked for, and only with blocks that were', async () => {
  const group = new Group()
  const [first] = await group.fill([5, 6])
  group.gone.add(LEARNER)
  group.copier.want(first as BlockState, 1)
  await group.pass(GATHER_MS + SWEEP)
  assert.equal(group.copier.copying, 1)
  const question = 2 ** 31
  const content = { block: 5, index: 1, valueProcess: group.refs[1] as ProcessRef, valueCounter: 1 }
  group.copier.onHead(2, question, [content])
  group.copier.onHead(1, question + 1, [content])
  group.copier.onPart(1, question, 0, 0, new Uint8Array(0))
  group.copier.onGone(2, question, false)
  assert.deepEqual([group.records, group.violations, group.copier.copying], [[], [], 1])
  group.copier.onHead(1, question, [content, { ...content, block: 6 }])
  assert.deepEqual([group.records, group.violations.length, group.copier.copying], [[], 1, 0], 'block 6 was not asked for')
  group.copier.want(first as BlockState, 2)
  await group.pass(GATHER_MS + SWEEP)
  group.copier.onHead(2, question + 1, [{ ...content, index: 0 }])
  assert.deepEqual([group.records, group.violations.length], [[], 2], 'below what is of use')
  await group.close()
})

test('a batch whose peer is silent, refuses or goes is given up, and its blocks may be copied from another', async () => {
  const group = new Group()
  const [state] = await group.fill([5])
  const one = state as BlockState
  group.gone.add(LEARNER)
  group.copier.want(one, 1)
  await group.pass(PART_TIMEOUT_MS + 200)
  assert.deepEqual([one.isCopying, group.copier.failures, group.said.includes('drop')], [false, 1, true])
  assert.equal(one.copyDeniedBy, 0b10)
  group.copier.want(one, 1)
  await group.pass(GATHER_MS + SWEEP)
  assert.ok(one.isCopying)
  group.copier.onPeerLost(1)
  await settle()
  assert.equal(one.isCopying, false)
  group.copier.want(one, 1)
  assert.ok(one.isQueued)
  group.copier.onPeerLost(1)
  assert.equal(one.isQueued, false)
  group.gone.clear()
  group.copier.want(one, 2)
  await group.pass(GATHER_MS + PEER_PAUSE_MS)
  group.assertCopied([5])
  await group.close()
})

test('a batch that the peer cannot read is asked of another one', async () => {
  const group = new Group()
  const [state] = await group.fill([5])
  const one = state as BlockState
  ;(group.engines[1] as OpenedEngine).snapshotRead = () => Promise.reject(new ThermoclineError('internal', 'the disk failed'))
  group.copier.want(one, 1)
  await group.pass(200)
  assert.deepEqual([one.isCopying, one.copyDeniedBy, group.said.includes('gone')], [false, 0b10, true])
  await group.close()
})

test('a sender keeps few batches open, lets go of those that nobody asks on for, and says so', async () => {
  const group = new Group()
  await group.fill(range(0, 4))
  const server = group.servers[1] as CopyServer
  for (let question = 0; question < MAX_SERVED + 1; question++)
    server.onWantBatch(2, question, [{ block: question, atLeast: 1, mustFlush: false }])
  await settle()
  assert.deepEqual([server.serving, group.said], [MAX_SERVED, ['busy']])
  server.onWantPart(2, 7, 0)
  await settle()
  assert.deepEqual(group.said, ['busy', 'busy'], 'of a batch that is not open')
  server.onDrop(2, 0)
  assert.equal(server.serving, MAX_SERVED - 1)
  await group.pass(SERVED_IDLE_MS + 2 * SWEEP)
  assert.equal(server.serving, 0)
  server.onWantBatch(2, 9, [{ block: 1, atLeast: 1, mustFlush: false }])
  await settle()
  server.onPeerLost(2)
  assert.equal(server.serving, 0)
  assert.ok(MAX_BATCHES <= MAX_SERVED, 'one learner finds room')
  await group.close()
})

test('a learner asks for no entries of what it holds nothing of, and once for what a log has no more', () => {
  const group = new Group()
  const core = group.cores[LEARNER] as Core
  const queued: [number, number][] = []
  const learner = new Learner(
    core,
    () => undefined,
    (state, from) => {
      state.isQueued = true
      queued.push([state.block, from])
    },
  )
  for (const block of [1, 2, 40_000, 65_535]) learner.onPosition(1, block, 9)
  assert.deepEqual(
    [core.counters.fetches, queued],
    [
      0,
      [
        [1, 1],
        [2, 1],
        [40_000, 2],
        [65_535, 2],
      ],
    ],
    'neighbours from one peer',
  )
  // One that could not give it is not asked for it again; when nobody can, entries may do.
  const denied = core.block(3)
  denied.copyDeniedBy = 0b10
  learner.onPosition(1, 3, 9)
  assert.deepEqual(queued.pop(), [3, 2])
  denied.isQueued = false
  denied.copyDeniedBy = 0b110
  learner.sweep()
  assert.deepEqual([core.counters.fetches, denied.fetchingFrom >= 0], [1, true])
  learner.onEntriesEnd(denied.fetchingFrom, denied.question, 3, 0, FetchStatus.ok)
  core.behind = []
  core.counters.fetches = 0
  const state = core.block(7)
  state.chosen = 3
  learner.onPosition(1, 7, 9)
  assert.equal(core.counters.fetches, 1)
  learner.onEntriesEnd(1, state.question, 7, 9, FetchStatus.needsSnapshot)
  for (let sweep = 0; sweep < 50; sweep++) {
    core.nowMs += SWEEP
    learner.sweep()
  }
  assert.deepEqual([core.counters.fetches, queued.at(-1)], [1, [7, 1]])
  // What brings nothing is asked for again after a pause, not in every sweep.
  const other = core.block(8)
  other.chosen = 3
  learner.onPosition(1, 8, 9)
  for (let sweep = 0; sweep < (10 * FETCH_PAUSE_MS) / SWEEP; sweep++) {
    if (other.fetchingFrom >= 0) learner.onEntriesEnd(other.fetchingFrom, other.question, 8, 9, FetchStatus.ok)
    core.nowMs += SWEEP
    learner.sweep()
  }
  assert.ok(core.counters.fetches >= 10 && core.counters.fetches <= 13, `${core.counters.fetches} fetches`)
})

test('a copy of what was there already keeps what was promised for the next instance; a later one supersedes it', async () => {
  const group = new Group()
  const [same, later] = (await group.fill([1, 2])) as [BlockState, BlockState]
  for (const state of [same, later]) {
    state.promisedRound = 7
    state.promisedProcess = group.refs[2] as ProcessRef
  }
  same.chosen = 1
  same.needsCopy = true
  for (const state of [same, later]) group.copier.want(state, 1)
  await group.pass(200)
  group.assertCopied([1, 2])
  assert.deepEqual([same.promisedRound, later.promisedRound], [7, NO_ROUND])
  await group.close()
})
