/** What a peer says unasked, or says wrongly, changes nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Acceptor } from './acceptor.ts'
import { BlockSet } from './block-set.ts'
import { FETCH_ENTRIES, FETCH_PAUSE_MS, MAX_ROUND_LEAD } from './constants.ts'
import { type CoreFixture, coreOfThree } from './core.fixture.ts'
import { Learner } from './learner.ts'
import { FetchStatus } from './messages.ts'
import { NO_PROCESS, type ProcessRef } from './processes.ts'

const BLOCK = 5
/** Of the first fetch: chance is a half in the fixture. */
const QUESTION = 2 ** 31
const ENTRY = Uint8Array.of(1)
const NO_ENTRY = new Uint8Array(0)

function learnerOf({ core }: CoreFixture): Learner {
  return new Learner(
    core,
    () => undefined,
    () => {},
  )
}

test('an entry that nobody asked for is not taken as chosen', () => {
  const fixture = coreOfThree()
  const { core, refs, log } = fixture
  const learner = learnerOf(fixture)
  const value = refs[1] as ProcessRef
  learner.onEntry(1, QUESTION, BLOCK, 1, value, 1, ENTRY)
  assert.equal(core.peek(BLOCK), undefined, 'a block that nobody asked about is not even known')
  learner.onPosition(1, BLOCK, 3)
  assert.equal(core.block(BLOCK).fetchingFrom, 1)
  learner.onEntry(2, QUESTION, BLOCK, 1, value, 1, ENTRY)
  assert.equal(core.block(BLOCK).chosen, 0, 'another replica was asked')
  learner.onEntry(1, QUESTION + 1, BLOCK, 1, value, 1, ENTRY)
  assert.equal(core.block(BLOCK).chosen, 0, 'another question was asked')
  learner.onEntry(1, QUESTION, BLOCK, 1, value, 1, ENTRY)
  learner.onEntry(1, QUESTION, BLOCK, 2, value, 2, ENTRY)
  assert.equal(core.block(BLOCK).chosen, 2)
  assert.deepEqual(log.records, [`learned ${BLOCK}/1`, `learned ${BLOCK}/2`])
  learner.onEntriesEnd(1, QUESTION, BLOCK, 2, FetchStatus.ok)
  core.block(BLOCK).fetchingFrom = -1
  learner.onEntry(1, QUESTION, BLOCK, 3, value, 3, ENTRY)
  assert.equal(core.block(BLOCK).chosen, 2, 'the answer has ended')
})

test('entries beyond what a fetch asks for are not taken', () => {
  const fixture = coreOfThree()
  const learner = learnerOf(fixture)
  learner.onPosition(1, BLOCK, 10_000)
  for (let index = 1; index <= FETCH_ENTRIES + 5; index++)
    learner.onEntry(1, QUESTION, BLOCK, index, fixture.refs[1] as ProcessRef, index, ENTRY)
  assert.equal(fixture.core.block(BLOCK).chosen, FETCH_ENTRIES)
})

test('what is no entry is neither learned nor voted for, and is told as a violation', () => {
  const fixture = coreOfThree()
  const { core, refs, log, violations } = fixture
  const learner = learnerOf(fixture)
  const acceptor = new Acceptor(core, learner)
  learner.onPosition(1, BLOCK, 3)
  learner.onEntry(1, QUESTION, BLOCK, 1, refs[1] as ProcessRef, 1, NO_ENTRY)
  acceptor.onAccept(2, BLOCK, 1, 1, NO_PROCESS, 0, refs[2] as ProcessRef, 1, NO_ENTRY)
  assert.deepEqual(log.records, [])
  assert.equal(core.block(BLOCK).chosen, 0)
  assert.equal(violations.length, 2)
  for (const violation of violations) assert.match(violation, /block 5 instance 1 what is no entry of it: it is empty/)
  acceptor.onAccept(2, BLOCK, 1, 1, NO_PROCESS, 0, refs[2] as ProcessRef, 1, ENTRY)
  assert.deepEqual(log.records, [`accept ${BLOCK}/1 1`])
})

test('an index that a peer names and nobody has is forgotten once all others have denied it', () => {
  const fixture = coreOfThree()
  const { core } = fixture
  core.peerVotes[1] = BlockSet.full()
  core.peerVotes[2] = BlockSet.full()
  const learner = learnerOf(fixture)
  learner.onPosition(1, BLOCK, 2 ** 40)
  const state = core.block(BLOCK)
  assert.equal(state.knownChosen, 2 ** 40)
  for (let asked = 0; asked < 2; asked++) {
    assert.ok(state.fetchingFrom > 0)
    learner.onEntriesEnd(state.fetchingFrom, state.question, BLOCK, 0, FetchStatus.ok)
    core.nowMs += FETCH_PAUSE_MS
    learner.sweep()
  }
  assert.equal(state.knownChosen, 0)
  learner.sweep()
  assert.deepEqual([core.behind.length, state.fetchingFrom], [0, -1])
})

test('a round far above all that were tried binds nobody', () => {
  const fixture = coreOfThree()
  const { core, refs, log, violations } = fixture
  const acceptor = new Acceptor(core, learnerOf(fixture))
  acceptor.onPrepare(1, BLOCK, 1, 0xffff_ffff, NO_PROCESS, 0)
  acceptor.onAccept(1, BLOCK, 1, MAX_ROUND_LEAD + 1, NO_PROCESS, 0, refs[1] as ProcessRef, 1, ENTRY)
  assert.deepEqual([log.records, violations.length], [[], 2])
  acceptor.onPrepare(1, BLOCK, 1, MAX_ROUND_LEAD, NO_PROCESS, 0)
  assert.deepEqual(log.records, [`promise ${BLOCK}/1 ${MAX_ROUND_LEAD}`])
})
