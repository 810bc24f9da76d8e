import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Quorums } from './quorums.ts'

const NONE = [0, 0, 0, 0, 0]

test('a majority of those that are there is a quorum', () => {
  const quorums = new Quorums(0, 3)
  quorums.update(0b111, NONE)
  assert.equal(quorums.has(0b011), true)
  assert.equal(quorums.has(0b110), true)
  assert.equal(quorums.has(0b100), false)
  quorums.update(0b101, NONE)
  assert.equal(quorums.has(0b110), false, 'a replica that is gone does not count')
  assert.equal(quorums.counted(0b111), 0b101)
})

test('a replica is not counted beside one that names its successor, and is with others', () => {
  const quorums = new Quorums(0, 3)
  // Replica 2 names a later incarnation of replica 1.
  quorums.update(0b111, [0, 0, 0b010])
  assert.equal(quorums.has(0b110), false)
  assert.equal(quorums.has(0b011), true)
  assert.equal(quorums.has(0b101), true)
  assert.equal(quorums.has(0b111), true)
})

test('one that names successors of all others ends nobody but itself', () => {
  const quorums = new Quorums(0, 3)
  quorums.update(0b111, [0, 0, 0b011])
  assert.equal(quorums.has(0b011), true)
  assert.equal(quorums.hasOwn(0b111), true)
  assert.equal(quorums.counted(0b111), 0b011)
  for (const votes of [0b101, 0b110]) assert.equal(quorums.has(votes), false)
})

test('a read needs a quorum that this replica is one of', () => {
  const quorums = new Quorums(2, 5)
  quorums.update(0b11111, [0b00100, 0b00100, 0, 0, 0])
  assert.equal(quorums.has(0b01011), true)
  assert.equal(quorums.hasOwn(0b01011), false)
  assert.equal(quorums.hasOwn(0b00111), false, 'both others name a successor of this replica')
  assert.equal(quorums.hasOwn(0b11100), true)
})

test('every set that counts is free of conflicts and as large as can be', () => {
  for (let round = 0; round < 500; round++) {
    const conflicts = NONE.map((_, replica) => Math.floor(Math.random() * 32) & Math.floor(Math.random() * 32) & ~(1 << replica))
    const connected = Math.floor(Math.random() * 32)
    const quorums = new Quorums(round % 5, 5)
    quorums.update(connected, conflicts)
    const size = (set: number): number => set.toString(2).replaceAll('0', '').length
    const isFree = (set: number): boolean => conflicts.every((others, replica) => (set & (1 << replica)) === 0 || (set & others) === 0)
    for (let votes = 0; votes < 32; votes++) {
      const counted = quorums.counted(votes)
      assert.equal(counted & ~votes & ~connected, 0)
      assert.ok(isFree(counted))
      for (let set = 0; set < 32; set++) if ((set & ~(votes & connected)) === 0 && isFree(set)) assert.ok(size(set) <= size(counted))
    }
  }
})
