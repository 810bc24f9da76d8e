import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BallotLedger, type HeldVote } from './ballot-ledger.ts'

const incarnation = (number: number): HeldVote['incarnation'] => ({ number, nonce: '0'.repeat(16) })

/** A vote of `replica`, whose voter knew that replica 2 is at incarnation `named`. */
const vote = (replica: number, named: number, number = 0): HeldVote => ({
  replica,
  incarnation: incarnation(number),
  names: new Map([[2, incarnation(named)]]),
})

test('votes of two incarnations of one replica make no majority', () => {
  const ledger = new BallotLedger(3)
  assert.ok(!ledger.isMajority([vote(2, 0), vote(2, 1, 1)]))
  assert.ok(ledger.isMajority([vote(2, 0), vote(2, 1, 1), vote(0, 0)]))
})

test('a vote of an older incarnation makes no majority with one whose voter named the newer', () => {
  const ledger = new BallotLedger(3)
  assert.ok(!ledger.isMajority([vote(2, 0), vote(0, 1)]))
  assert.ok(ledger.isMajority([vote(2, 0), vote(0, 0)]))
  assert.ok(ledger.isMajority([vote(2, 0), vote(0, 1), vote(2, 1, 1)]))
  assert.ok(ledger.isMajority([vote(2, 0), vote(0, 1), vote(1, 0)]))
})

test('a value is chosen once votes that count together are durable', () => {
  const ledger = new BallotLedger(3)
  const ballot = ledger.ballot(7, 1, 1, 1)
  ledger.note('accept', 7, 1, ballot, vote(2, 0))
  ledger.note('accept', 7, 1, ballot, vote(0, 1))
  // Copied forward in the log later: what it named when it was cast is what counts.
  ledger.note('accept', 7, 1, ballot, vote(0, 0))
  assert.equal(ledger.instance(7, 1).chosen, undefined)
  ledger.note('accept', 7, 1, ballot, vote(1, 1))
  assert.equal(ledger.instance(7, 1).chosen, ballot)
})
