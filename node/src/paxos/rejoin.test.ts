import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK_COUNT, ByteWriter } from '@thermocline/protocol'
import { BlockSet } from './block-set.ts'
import type { BlockState } from './block-state.ts'
import { BARRIER_RETRY_MS, MAX_RECOPIES } from './constants.ts'
import { Core, type LogSink, type Outbox } from './core.ts'
import { Learner } from './learner.ts'
import { MessageWriter } from './messages.ts'
import { ProcessTable } from './processes.ts'
import { Rejoin } from './rejoin.ts'

/** The fixture's chance is a half. */
const FIRST_QUESTION = 2 ** 31 + 1
const BLOCK = 7
const HERE = 'b'.repeat(16)
const THERE = 'a'.repeat(16)

/** Replica 0 of `replicaCount` has learned all of BLOCK, and compares its digest with the others'. */
class Comparing {
  readonly core: Core
  readonly rejoin: Rejoin
  readonly copiedFrom: number[] = []
  readonly stuck: string[] = []
  private asked: number[] = []

  /** @param answering the last replica that answers for its barrier. */
  constructor(replicaCount: number, ofBlock: (core: Core) => void = () => {}, answering = replicaCount - 1) {
    const processes = new ProcessTable()
    const self = processes.intern({ group: 0, replica: 0, incarnation: { number: 1, nonce: '0'.repeat(16) }, boot: 1 })
    const writer = new ByteWriter(1024)
    const now = (replica: number): ByteWriter => {
      this.asked.push(replica)
      return writer
    }
    const outbox: Outbox = { messages: new MessageWriter(processes, self), now, afterSync: now }
    const log: LogSink = { promise: () => 1, accept: () => 1, learned: () => 1, chosen: () => {}, durableWrite: 0 }
    const all = (1 << replicaCount) - 1
    this.core = new Core({
      processes,
      self,
      replica: 0,
      replicaCount,
      log,
      outbox,
      random: () => 0.5,
      priority: () => [0],
      votes: new BlockSet(),
      remember: () => 0,
      checkEntry: () => undefined,
      violation: (what) => assert.fail(what),
    })
    Object.assign(this.core, { isActive: true, live: all, nowMs: 1 })
    this.core.setCountable(all)
    for (let peer = 1; peer < replicaCount; peer++) this.core.peerVotes[peer] = BlockSet.full()
    const learner = new Learner(
      this.core,
      () => undefined,
      () => {},
    )
    this.rejoin = new Rejoin(this.core, learner, {
      logVotes: () => 1,
      digest: () => HERE,
      copy: (state, from) => this.copy(state, from),
      copySoon: () => {},
      namesVersion: () => 0,
      onStuck: (_block, reason) => this.stuck.push(reason),
      onComplete: () => {},
    })
    this.core.block(BLOCK).chosen = 1
    ofBlock(this.core)
    this.rejoin.sweep()
    for (let peer = 1; peer <= answering; peer++) this.tellBarrier(peer, 1)
  }

  tellBarrier(peer: number, barrier: number): void {
    this.rejoin.onBarrier(BLOCK, barrier)
    this.rejoin.onBarrierEnd(peer, FIRST_QUESTION, undefined)
  }

  private copy(state: BlockState, from: number): void {
    this.copiedFrom.push(from)
    state.needsCopy = false
  }

  /** Whom it asks next; that one's digest is `digest`. -1 if it asks nobody. `meanwhile` comes before the answer. */
  compare(digest: string, meanwhile: () => void = () => {}): number {
    this.asked = []
    this.rejoin.sweep()
    const peer = this.asked[0] ?? -1
    meanwhile()
    if (peer >= 0) this.rejoin.onDigestAnswer(peer, BLOCK, this.core.block(BLOCK).chosen, digest)
    this.rejoin.advance()
    return peer
  }
}

test('a digest that differs is compared with another voter before the block is copied', () => {
  const learner = new Comparing(3)
  const first = learner.compare(THERE)
  assert.deepEqual(learner.copiedFrom, [])
  const second = learner.compare(THERE)
  assert.notEqual(second, first)
  assert.deepEqual(learner.copiedFrom, [second])
  // The copy is compared with whom it does not come from.
  assert.equal(learner.compare(HERE), first)
  assert.equal(learner.compare(HERE), -1)
  assert.deepEqual(learner.copiedFrom, [second])
})

test('one voter that differs from the others causes no copy', () => {
  const learner = new Comparing(3)
  learner.compare(THERE)
  learner.compare(HERE)
  assert.equal(learner.compare(HERE), -1)
  assert.deepEqual(learner.copiedFrom, [])
})

test('a barrier that rises while digests are compared has to be learned before the block votes (⚖16)', () => {
  const learner = new Comparing(5, () => {}, 3)
  learner.compare(HERE, () => learner.tellBarrier(4, 2))
  assert.equal(learner.rejoin.isPromoted(BLOCK), false)
  learner.core.block(BLOCK).chosen = 2
  learner.compare(HERE)
  assert.equal(learner.rejoin.isPromoted(BLOCK), true)
})

test('a block that differs however often it is copied is left to the operator', () => {
  const learner = new Comparing(5)
  for (let step = 0; step < 100 && learner.stuck.length === 0; step++) assert.notEqual(learner.compare(THERE), -1)
  assert.equal(learner.copiedFrom.length, MAX_RECOPIES)
  assert.match(learner.stuck[0] as string, /^NeedsOperator: block 7 differs/)
  assert.equal(learner.compare(THERE), -1)
  assert.equal(learner.rejoin.progress.stuck, 1)
  assert.equal(learner.stuck.length, 1)
})

test('a sweep looks at a part of the blocks, and the sweeps after it at the rest', () => {
  let looks = 0
  const learner = new Comparing(3, (core) => {
    for (let block = 0; block < BLOCK_COUNT; block++) {
      const state = core.block(block)
      state.chosen = 1
      // What may not be compared yet is only looked at.
      Object.defineProperty(state, 'isCopying', {
        get: () => {
          looks++
          return true
        },
      })
    }
  })
  learner.core.nowMs += BARRIER_RETRY_MS
  looks = 0
  learner.rejoin.sweep()
  const inOne = looks
  assert.ok(inOne > 0 && inOne <= BLOCK_COUNT / 8, `${inOne} blocks were looked at in one sweep`)
  for (let sweeps = 1; sweeps * inOne < BLOCK_COUNT; sweeps++) learner.rejoin.sweep()
  assert.equal(looks, BLOCK_COUNT)
})
