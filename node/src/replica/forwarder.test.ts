/** A write that was forwarded finds another way when the replica that has it is lost, silent, or does not take it on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERRORS, Operation } from '@thermocline/protocol'
import { ask } from '../doors/ask.fixture.ts'
import { BlockSet } from '../paxos/block-set.ts'
import { type CoreFixture, coreOfThree } from '../paxos/core.fixture.ts'
import { PendingWrite } from '../paxos/pending.ts'
import { FORWARD_SILENT_MS, FORWARD_TIMEOUT_MS, Forwarder } from './forwarder.ts'

const BLOCK = 5
const NOTHING = new Uint8Array(0)

class Fixture {
  readonly fixture: CoreFixture
  readonly proposed: PendingWrite[] = []
  readonly sent: { to: number; id: number }[] = []
  readonly answers: number[] = []
  readonly heard = [0, 0, 0]
  readonly forwarder: Forwarder
  readonly write: PendingWrite

  constructor(votes: BlockSet = BlockSet.full()) {
    this.fixture = coreOfThree({ votes, priority: () => [1, 2, 0] })
    const { core } = this.fixture
    core.peerVotes[1] = BlockSet.full()
    core.peerVotes[2] = BlockSet.full()
    core.nowMs = 1000
    const { now } = core.outbox
    let to = -1
    core.outbox.now = (replica) => {
      to = replica
      return now(replica)
    }
    core.outbox.messages.forward = (_w, id) => void this.sent.push({ to, id })
    this.forwarder = new Forwarder(
      core,
      (write) => this.proposed.push(write),
      (replica) => this.heard[replica] as number,
    )
    const shape = { opsAt: 0, opCount: 1, seriesFingerprint: 0, isAppend: false }
    const request = ask(Operation.write, NOTHING, 1e9, (error) => this.answers.push(error))
    this.write = new PendingWrite(BLOCK, request, shape, { arrivedMs: 0, deadlineMs: 1e9 })
    this.forwarder.send(this.write, 1)
  }

  pass(ms: number): void {
    this.fixture.core.nowMs += ms
    this.forwarder.sweep()
  }

  get last(): { to: number; id: number } {
    return this.sent.at(-1) as { to: number; id: number }
  }
}

test('a replica of which nothing is heard gives the write back within a moment', () => {
  const f = new Fixture()
  f.pass(FORWARD_SILENT_MS)
  assert.deepEqual(f.proposed, [])
  f.pass(1)
  assert.deepEqual(f.proposed, [f.write])
  assert.equal(f.write.carried, true, 'the other replica may have proposed it')
})

test('one that is only slow keeps it longer', () => {
  const f = new Fixture()
  for (let ms = 0; ms < FORWARD_TIMEOUT_MS; ms += 20) {
    f.heard[1] = f.fixture.core.nowMs
    f.pass(20)
  }
  assert.deepEqual(f.proposed, [])
  f.pass(20)
  assert.deepEqual(f.proposed, [f.write])
})

test('a replica that only learns the block sends it to another voter, and proposes nothing', () => {
  const f = new Fixture(new BlockSet())
  f.pass(FORWARD_SILENT_MS + 1)
  assert.equal(f.last.to, 2)
  f.forwarder.onAnswer(2, f.last.id, 0, NOTHING)
  assert.deepEqual([f.proposed, f.answers], [[], [0]])
})

test('who does not take the write on is not asked again', () => {
  const f = new Fixture()
  f.forwarder.onAnswer(1, f.last.id, ERRORS.unavailable.number, NOTHING)
  assert.deepEqual(f.proposed, [f.write])
  assert.equal(f.write.carried, false, 'it did nothing')
})

test('an answer to what was not forwarded, or from another replica, is dropped', () => {
  const f = new Fixture()
  f.forwarder.onAnswer(1, f.last.id + 1, 0, NOTHING)
  f.forwarder.onAnswer(2, f.last.id, 0, NOTHING)
  assert.deepEqual(f.answers, [])
})
