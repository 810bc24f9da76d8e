/** What a node remembers of answers is bounded, also by blocks that nobody writes to any more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openEngine } from '../engine/mod.ts'
import { applyBatch, buildEntry, withKey } from '../engine/model.ts'
import { EntryBuilder, PRESSED_AGE_MS } from '../kv/entry-builder.ts'
import { coreOfThree } from '../paxos/core.fixture.ts'
import type { Proposer } from '../paxos/proposer.ts'
import { Forgetter } from './forgetter.ts'

const MAX_ANSWERS = 1000
const ANSWER_AGE_MS = 600_000
const limits = { maxAnswers: MAX_ANSWERS, answerAgeMs: ANSWER_AGE_MS }

class Node {
  readonly engine = openEngine({
    sliceDurationMs: 1000,
    memtableBytes: 1 << 26,
    blockCacheBytes: 0,
    versionCacheBytes: 65_536,
    incarnation: 'x',
  })
  readonly core = coreOfThree({ priority: (block) => (block % 2 === 0 ? [0, 1, 2] : [1, 0, 2]) }).core
  readonly settled: number[] = []
  readonly forgetter: Forgetter
  private readonly builder: EntryBuilder
  private requests = 0

  constructor() {
    for (let block = 1; block < 200; block += 2) this.core.peerVotes[1]?.add(block)
    const proposer = { settle: (block: number, instance: number) => this.settle(block, instance) } as unknown as Proposer
    this.forgetter = new Forgetter(this.core, this.engine, proposer, limits)
    this.builder = new EntryBuilder({
      engine: this.engine,
      digestKey: () => new Uint8Array(16),
      wallClockMs: () => 4_000_000_000_000,
      nowMs: () => this.core.nowMs,
      ...limits,
      resume: () => {},
    })
    this.pass(0)
  }

  pass(ms: number): void {
    this.core.nowMs += ms
    this.engine.noteTime(this.core.nowMs)
  }

  private apply(block: number, entry: Uint8Array): void {
    const state = this.core.block(block)
    applyBatch(this.engine, [{ block, index: ++state.chosen, entry, wantsAnswers: false }])
  }

  private settle(block: number, instance: number): void {
    const state = this.core.block(block)
    assert.equal(instance, state.chosen + 1)
    this.settled.push(block)
    this.apply(block, this.builder.noop(state))
  }

  /** An entry of the block with some requests, whose horizon is what an entry of this moment would have. */
  write(block: number, count: number): void {
    const state = this.core.block(block)
    const horizon = Buffer.from(this.builder.noop(state)).readUIntLE(6, 6)
    const requests = Array.from({ length: count }, () => {
      const requestId = new Uint8Array(16)
      new DataView(requestId.buffer).setUint32(0, ++this.requests)
      return { requestId, stamp: state.chosen, outcome: 2, detail: new Uint8Array(8), series: 's', ops: [], old: [] }
    })
    const entry = buildEntry(Math.min(horizon, Math.max(0, state.chosen - 16)), 0, requests)
    this.apply(block, state.chosen === 0 ? withKey(entry) : entry)
  }
}

test('blocks that are written to share the bound of the node', async () => {
  const node = new Node()
  let most = 0
  for (let round = 0; round < 300; round++) {
    for (let block = 0; block < 10; block++) node.write(block, 2)
    most = Math.max(most, node.engine.answersRemembered)
  }
  assert.ok(most > MAX_ANSWERS / 2 && most <= MAX_ANSWERS, `${most} answers at most`)
  const alone = new Node()
  for (let round = 0; round < 1000; round++) alone.write(0, 1)
  assert.ok(alone.engine.answersRemembered >= MAX_ANSWERS / 2, 'one that is alone has most of it')
  await node.engine.close()
  await alone.engine.close()
})

test('answers of blocks at rest are forgotten by an entry without requests, once they are old, by the best live replica', async () => {
  const node = new Node()
  for (let block = 0; block < 200; block++) node.write(block, 1)
  node.pass(ANSWER_AGE_MS)
  node.forgetter.sweep()
  assert.deepEqual(node.settled, [], 'not before')
  node.pass(1000)
  node.forgetter.sweep()
  assert.ok(node.settled.length > 0 && node.settled.length <= 64, 'a bounded number at a time')
  for (let look = 0; look < 20; look++) {
    node.pass(1000)
    node.forgetter.sweep()
  }
  assert.deepEqual(
    node.settled.toSorted((a, b) => a - b),
    Array.from({ length: 100 }, (_, at) => 2 * at),
  )
  assert.equal(node.engine.answersRemembered, 100, 'those of other replicas’ blocks are theirs to forget')
  assert.deepEqual(node.engine.requestTable(4), { answers: 0, oldestIndex: 0, horizon: 2 })
  await node.engine.close()
})

test('where the table is more than half full they go as soon as no request can still wait', async () => {
  const node = new Node()
  for (let block = 0; block < 202; block += 2) node.write(block, 5)
  node.pass(PRESSED_AGE_MS + 1000)
  for (let look = 0; look < 20; look++) {
    node.pass(1000)
    node.forgetter.sweep()
  }
  assert.ok(node.engine.answersRemembered <= MAX_ANSWERS / 2)
  await node.engine.close()
})
