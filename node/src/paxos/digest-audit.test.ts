import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockSet } from './block-set.ts'
import { AUDIT_RETRY_MS, MAX_AUDIT_TRIES } from './constants.ts'
import { type CoreFixture, coreOfThree } from './core.fixture.ts'
import { DigestAudit } from './digest-audit.ts'

const BLOCK = 9
const PERIOD_MS = 1000

class Fixture {
  readonly fixture: CoreFixture = coreOfThree()
  own = 'a'.repeat(16)
  readonly alarms: string[] = []
  readonly aside: string[] = []
  readonly sent: string[] = []
  readonly audit: DigestAudit

  constructor(periodMs = PERIOD_MS) {
    const { core } = this.fixture
    core.peerVotes[1] = BlockSet.full()
    core.peerVotes[2] = BlockSet.full()
    core.block(BLOCK).chosen = 5
    core.nowMs = 1
    const { messages } = core.outbox
    messages.digestQuery = (_out, block) => void this.sent.push(`query ${block}`)
    messages.auditHint = (_out, block) => void this.sent.push(`hint ${block}`)
    this.audit = new DigestAudit(core, periodMs, {
      digest: () => this.own,
      onDifference: (block, index, digests) => this.alarms.push(`${block}@${index} ${[...digests.keys()].toSorted().join()}`),
      setAside: (state, reason) => this.aside.push(`${state.block}: ${reason}`),
    })
    this.audit.sweep()
  }

  pass(ms: number): void {
    this.fixture.core.nowMs += ms
    this.audit.sweep()
  }

  answer(from: number, digest: string, index = 5): void {
    this.audit.onDigestAnswer(from, BLOCK, index, digest)
    this.audit.advance()
  }
}

const OTHER = 'b'.repeat(16)

test('every block is compared with all other replicas once in a period', () => {
  const f = new Fixture()
  f.pass(PERIOD_MS / 2)
  assert.deepEqual(f.sent, [])
  f.pass(PERIOD_MS / 2)
  assert.deepEqual(f.sent, ['query 9', 'query 9'])
  f.answer(1, f.own)
  f.answer(2, f.own)
  assert.deepEqual([f.audit.counters, f.alarms], [{ audited: 1, differences: 0 }, []])
  f.pass(PERIOD_MS)
  assert.equal(f.sent.length, 4)
  const never = new Fixture(0)
  never.pass(1e9)
  assert.deepEqual(never.sent, [])
})

test('a replica that a majority differs from sets the block aside, and says so', () => {
  const f = new Fixture()
  f.pass(PERIOD_MS)
  f.answer(1, OTHER)
  assert.deepEqual(f.alarms, ['9@5 0,1'])
  assert.deepEqual(f.aside, [], 'one alone may be the one that is wrong')
  f.answer(2, OTHER)
  assert.deepEqual(f.aside, [`9: its digest at index 5 is ${f.own}; replicas 1, 2 have ${OTHER}`])
  assert.equal(f.alarms.length, 1)
})

test('where another replica is the odd one, it is told to look', () => {
  const f = new Fixture()
  f.pass(PERIOD_MS)
  f.answer(1, OTHER)
  f.answer(2, f.own)
  assert.deepEqual(f.aside, [])
  assert.equal(f.sent.at(-1), 'hint 9')
})

test('three that all differ are told, and none sets the block aside', () => {
  const f = new Fixture()
  f.pass(PERIOD_MS)
  f.answer(1, OTHER)
  f.answer(2, 'c'.repeat(16))
  for (let tries = 0; tries < 2 * MAX_AUDIT_TRIES; tries++) f.pass(AUDIT_RETRY_MS)
  assert.deepEqual([f.aside, f.alarms.length], [[], 1])
})

test('digests at other indexes say nothing, and are asked for again', () => {
  const f = new Fixture()
  f.pass(PERIOD_MS)
  f.answer(1, OTHER, 7)
  f.answer(2, OTHER, 4)
  assert.deepEqual([f.alarms, f.aside], [[], []])
  // This replica comes to the index that was named.
  f.fixture.core.block(BLOCK).chosen = 7
  f.own = OTHER
  f.audit.advance()
  assert.deepEqual(f.alarms, [])
  f.sent.length = 0
  f.pass(AUDIT_RETRY_MS)
  assert.deepEqual(f.sent, ['query 9'], 'only whom it has not been compared with')
})

test('an answer that was not asked for is not looked at; a hint is only a reason to ask', () => {
  const f = new Fixture(0)
  f.answer(1, OTHER)
  assert.deepEqual(f.alarms, [])
  f.audit.onHint(BLOCK)
  f.audit.onHint(12)
  f.pass(1)
  assert.deepEqual(f.sent, ['query 9', 'query 9'])
  f.answer(1, OTHER)
  f.answer(1, OTHER)
  assert.deepEqual(f.aside, [], 'one peer speaks once')
})
