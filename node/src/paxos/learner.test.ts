import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BlockState } from './block-state.ts'
import { FETCH_RETRY_MS, MAX_FETCHES, MAX_URGENT_FETCHES } from './constants.ts'
import { coreOfThree } from './core.fixture.ts'
import type { Core } from './core.ts'
import { Learner } from './learner.ts'
import { FetchStatus } from './messages.ts'
import type { ProcessRef } from './processes.ts'

const PEER = 1
const ENTRY = new Uint8Array([1])

interface Fixture {
  readonly core: Core
  readonly learner: Learner
  /** Gives the fetch under way of a block what it asked for: one entry. */
  readonly answer: (state: BlockState) => void
}

function fixture(): Fixture {
  const { core, refs } = coreOfThree()
  const learner = new Learner(
    core,
    () => undefined,
    () => assert.fail('no block needs a copy'),
  )
  const answer = (state: BlockState): void => {
    const { block, question, fetchingFrom: from } = state
    learner.onEntry(from, question, block, state.chosen + 1, refs[from] as ProcessRef, 1, ENTRY)
    learner.onEntriesEnd(from, question, block, state.chosen, FetchStatus.ok)
  }
  return { core, learner, answer }
}

const isFetched = (state: BlockState): boolean => state.fetchingFrom >= 0

test('a fetch that ends lets the next block that is behind begin, without a sweep', () => {
  const { core, learner, answer } = fixture()
  const blocks = Array.from({ length: 3 * MAX_FETCHES }, (_, block) => core.block(block))
  for (const { block } of blocks) learner.onPosition(PEER, block, 1)
  assert.equal(blocks.filter(isFetched).length, MAX_FETCHES)
  let answered = 0
  for (let fetched = blocks.find(isFetched); fetched !== undefined; fetched = blocks.find(isFetched)) {
    answer(fetched)
    answered++
  }
  assert.equal(answered, blocks.length)
})

test('the sweep comes back to the first blocks although others fall behind all the time', () => {
  const { core, learner } = fixture()
  const first = core.block(0)
  learner.onPosition(PEER, 0, 1)
  assert.equal(first.fetchingFrom, PEER)
  // Its fetch is never answered; with each sweep another block falls behind.
  for (let block = 1; block < 40; block++) {
    learner.onPosition(PEER, block, 1)
    core.nowMs += FETCH_RETRY_MS / 10
    learner.sweep()
  }
  assert.notEqual(first.askedLast, PEER, 'the silent peer is not asked for ever')
})

test('a block that a request waits for is fetched beside as many others as may be', () => {
  const { core, learner } = fixture()
  for (let block = 0; block < MAX_FETCHES; block++) learner.onPosition(PEER, block, 1)
  const states = Array.from({ length: MAX_URGENT_FETCHES }, (_, at) => core.block(1000 + at))
  for (const state of states) {
    core.noteBehind(state, 1)
    learner.fetch(state, PEER)
  }
  assert.equal(states.filter(isFetched).length, 0)
  for (const state of states) learner.fetchUrgently(state, PEER)
  assert.equal(states.filter(isFetched).length, MAX_URGENT_FETCHES - MAX_FETCHES)
})
