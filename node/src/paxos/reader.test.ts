import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteWriter } from '@thermocline/protocol'
import { ask } from '../doors/ask.fixture.ts'
import { BlockSet } from './block-set.ts'
import { NO_ROUND } from './block-state.ts'
import { READ_DOUBT_MS, SCARCE_READ_LEAD_MS } from './constants.ts'
import { Core, type LogSink, type Outbox } from './core.ts'
import { Learner } from './learner.ts'
import { MessageWriter } from './messages.ts'
import { PendingRead } from './pending-read.ts'
import { NEVER, PendingValidation } from './pending-validation.ts'
import { ProcessTable } from './processes.ts'
import type { Proposer } from './proposer.ts'
import { Reader } from './reader.ts'

const NOTHING = new Uint8Array(0)
const VOTED = 7
/** Replica 1 only learns it. */
const LEARNED = 8

/** The reader of replica 0 of three, where everybody is connected. */
function readerOfThree(): {
  core: Core
  reader: Reader
  served: number[]
  /** Needs of each validation that was answered, or why it failed. */
  validated: (number[] | string)[]
  failed: Map<number, string>
  /** How much more may be served. */
  room: { left: number }
} {
  const processes = new ProcessTable()
  const self = processes.intern({ group: 0, replica: 0, incarnation: { number: 0, nonce: '0'.repeat(16) }, boot: 1 })
  const writer = new ByteWriter(1024)
  const outbox: Outbox = { messages: new MessageWriter(processes, self), now: () => writer, afterSync: () => writer }
  const log: LogSink = { promise: () => 1, accept: () => 1, learned: () => 1, chosen: () => {}, durableWrite: 0 }
  const core = new Core({
    processes,
    self,
    replica: 0,
    replicaCount: 3,
    log,
    outbox,
    random: () => 0.5,
    priority: () => [0, 1, 2],
    remember: () => 0,
    checkEntry: () => undefined,
    violation: (what) => assert.fail(what),
  })
  core.isActive = true
  core.setCountable(0b111)
  core.live = 0b111
  const served: number[] = []
  const validated: (number[] | string)[] = []
  const failed = new Map<number, string>()
  const room = { left: Number.POSITIVE_INFINITY }
  const reader = new Reader(
    core,
    { settle: () => {} } as unknown as Proposer,
    new Learner(
      core,
      () => undefined,
      () => {},
    ),
    (read) => served.push(read.block),
    (validation) => validated.push([...validation.needs]),
    (read, message) => {
      if (read instanceof PendingRead) failed.set(read.block, message)
      else validated.push(message)
    },
    () => room.left-- > 0,
  )
  return { core, reader, served, validated, failed, room }
}

function submit(reader: Reader, block: number): void {
  reader.submit(new PendingRead(block, ask(2, NOTHING, 1000), 1000))
}

test('a block that lacks a majority of voters holds no read of another block', () => {
  const { reader, served, failed } = readerOfThree()
  submit(reader, VOTED)
  submit(reader, LEARNED)
  reader.begin()
  reader.onAbsence(1, 1, LEARNED)
  reader.onAnswerEnd(1, 1)
  reader.serveReady()
  assert.deepEqual(served, [VOTED])
  submit(reader, VOTED)
  reader.begin()
  // Replica 2 says nothing; the other block waits for it, in a round of its own.
  reader.onAnswerEnd(1, 2)
  reader.serveReady()
  assert.deepEqual(served, [VOTED, VOTED])
  reader.onAbsence(1, 3, LEARNED)
  reader.onAnswerEnd(1, 3)
  reader.serveReady()
  assert.deepEqual(served, [VOTED, VOTED])
  reader.onAnswerEnd(2, 3)
  reader.serveReady()
  assert.deepEqual(served, [VOTED, VOTED, LEARNED])
  assert.equal(failed.size, 0)
  assert.equal(reader.queued, 0)
})

test('a read of a block without a majority of voters fails while whoever asked still waits', () => {
  const { core, reader, served, failed } = readerOfThree()
  core.live = 0b011
  core.setCountable(0b011)
  submit(reader, LEARNED)
  let round = 0
  for (let nowMs = 0; nowMs < 1000 && failed.size === 0; nowMs += 10) {
    core.nowMs = nowMs
    reader.sweep()
    reader.begin()
    round++
    reader.onAbsence(1, round, LEARNED)
    reader.onAnswerEnd(1, round)
    reader.serveReady()
  }
  assert.deepEqual(served, [])
  assert.match(failed.get(LEARNED) ?? '', /too few of the replicas/)
  assert.equal(core.nowMs, 1000 - SCARCE_READ_LEAD_MS)
  assert.equal(reader.queued, 0)
})

test('a validation is answered by the round that began after it, whatever its blocks still wait for', () => {
  const { core, reader, validated } = readerOfThree()
  const validation = (blocks: number[]) => new PendingValidation(Uint16Array.from(blocks), ask(7, NOTHING, 1000), 1000)
  reader.submitValidation(validation([VOTED]))
  reader.begin()
  reader.submitValidation(validation([VOTED, LEARNED, 9]))
  reader.onAnswerEnd(1, 1)
  reader.serveReady()
  assert.deepEqual(validated, [[0]])
  reader.begin()
  reader.onAbsence(2, 2, LEARNED)
  // Replica 2 has chosen 5 entries of block 9, this one none.
  reader.onException(2, 2, 9, 5, NO_ROUND, 0)
  reader.serveReady()
  assert.equal(validated.length, 1)
  reader.onAnswerEnd(2, 2)
  reader.serveReady()
  assert.deepEqual(validated[1], [0, NEVER, 5])
  reader.submitValidation(validation([VOTED]))
  reader.begin()
  core.nowMs = 1001
  reader.sweep()
  assert.match(String(validated[2]), /no majority answered/)
})

/** So long that a read whose index nobody has brought asks anew, or ends its wait. */
function passDoubt(core: Core, reader: Reader): void {
  for (let ms = 0; ms < READ_DOUBT_MS + 40; ms += 20) {
    core.nowMs += 20
    reader.sweep()
    reader.begin()
  }
}

test('an index that one replica names and nobody has holds up no read that a majority can answer', () => {
  const { core, reader, served, failed } = readerOfThree()
  core.peerVotes[1] = BlockSet.full()
  core.peerVotes[2] = BlockSet.full()
  submit(reader, VOTED)
  reader.begin()
  // The replica that is asked first lies; the other one is not asked.
  reader.onException(1, 1, VOTED, 2 ** 40, NO_ROUND, 0)
  reader.onAnswerEnd(1, 1)
  reader.serveReady()
  assert.deepEqual(served, [])
  passDoubt(core, reader)
  reader.onException(1, 2, VOTED, 2 ** 40, NO_ROUND, 0)
  reader.onAnswerEnd(1, 2)
  reader.serveReady()
  assert.deepEqual(served, [], 'it waits for all who are there')
  reader.onAnswerEnd(2, 2)
  reader.serveReady()
  assert.deepEqual(served, [VOTED])
  assert.equal(failed.size, 0)
})

test('a replica that is there and does not answer holds up a doubtful read for a while only', () => {
  const { core, reader, served } = readerOfThree()
  core.peerVotes[1] = BlockSet.full()
  core.peerVotes[2] = BlockSet.full()
  submit(reader, VOTED)
  reader.begin()
  reader.onException(2, 1, VOTED, 2 ** 40, NO_ROUND, 0)
  reader.onAnswerEnd(2, 1)
  reader.serveReady()
  passDoubt(core, reader)
  reader.onAnswerEnd(1, 2)
  for (let ms = 0; ms < READ_DOUBT_MS + 40; ms += 20) {
    core.nowMs += 20
    reader.sweep()
  }
  reader.serveReady()
  assert.deepEqual(served, [VOTED])
})

test('what a turn has no room for is served in the next ones, in its order, and asks nobody to settle meanwhile', () => {
  const { core, reader, served, validated, failed, room } = readerOfThree()
  for (let i = 0; i < 5; i++) submit(reader, VOTED)
  for (let i = 0; i < 3; i++) reader.submitValidation(new PendingValidation(Uint16Array.of(VOTED), ask(7, NOTHING, 1000), 1000))
  reader.begin()
  reader.onAnswerEnd(1, 1)
  for (let turn = 0; turn < 4; turn++) {
    room.left = 2
    core.nowMs += 100
    reader.sweep()
    reader.begin()
    assert.equal(reader.serveReady(), turn < 3, `turn ${turn}`)
    assert.equal(served.length + validated.length, 2 * (turn + 1))
    if (turn === 1) assert.ok(served.length > 0 && validated.length > 0, 'neither keeps the other from being served')
  }
  assert.equal(core.counters.rounds, 1)
  assert.deepEqual([reader.queued, failed.size], [0, 0])

  submit(reader, VOTED)
  reader.submitValidation(new PendingValidation(Uint16Array.of(VOTED), ask(7, NOTHING, 1000), 1000))
  reader.begin()
  reader.onAnswerEnd(2, 2)
  room.left = 0
  assert.equal(reader.serveReady(), true)
  core.nowMs = 1001
  reader.sweep()
  assert.equal(validated.at(-1), failed.get(VOTED))
  assert.deepEqual([reader.queued, failed.size], [0, 1], 'they end at their deadline')
})
