import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerHello } from '../paxos/frames.ts'
import type { PeerMemory } from '../wal/records.ts'
import { type MemoryLog, PeerMemories } from './peer-memory.ts'

const NONCE = 'aaaaaaaaaaaaaaaa'

function hello(boot: number, bootNonce: string, logEnd: number, incarnation = { number: 0, nonce: NONCE }): PeerHello {
  return {
    version: 1,
    clusterId: '',
    isStranger: false,
    votesInAll: true,
    process: { group: 0, replica: 2, incarnation, boot },
    bootNonce,
    logEnd,
    incarnations: new Map(),
  }
}

/** Each case: what a peer said before, how far its frames went, and what it says now. */
const cases: readonly [string, { write: number; now: PeerHello }, boolean][] = [
  ['the same process reconnects', { write: 50, now: hello(3, 'one', 40) }, true],
  ['the next boot has everything', { write: 50, now: hello(4, 'two', 50) }, true],
  ['the next boot has more than was named', { write: 50, now: hello(4, 'two', 60) }, true],
  ['a boot went by unseen', { write: 50, now: hello(9, 'two', 50) }, true],
  ['the log ends too early: rolled back', { write: 50, now: hello(4, 'two', 49) }, false],
  ['the boot went backwards: rolled back', { write: 50, now: hello(2, 'two', 60) }, false],
  ['the same boot, another process: a copy', { write: 50, now: hello(3, 'other', 50) }, false],
  ['a newer incarnation starts afresh', { write: 50, now: hello(1, 'two', 0, { number: 1, nonce: 'bbbbbbbbbbbbbbbb' }) }, true],
  ['an older incarnation', { write: 50, now: hello(9, 'two', 99, { number: 0, nonce: '9999999999999999' }) }, false],
]

for (const [name, { write, now }, isFine] of cases) {
  test(`hello: ${name}`, () => {
    const memories = new PeerMemories()
    assert.equal(memories.check(hello(3, 'one', 40)).ok, true)
    memories.noteWrite(2, write)
    assert.equal(memories.check(now).ok, isFine)
  })
}

const noLog: MemoryLog = { peer: () => 0, named: () => {}, force: () => 0 }

test('what is remembered of a peer waits for the write that carries it', () => {
  const memories = new PeerMemories()
  let filling = 1
  let forced = 0
  const log: MemoryLog = { peer: () => filling, named: () => {}, force: () => ++forced }
  memories.check(hello(3, 'one', 40))
  assert.equal(memories.remember(2, log), 1, 'it goes into the write that is filled')
  assert.equal(forced, 1, 'which leaves although nothing else is in it')
  filling = 2
  assert.equal(memories.remember(2, log), 1, 'nothing has changed since')
  memories.noteWrite(2, 41)
  assert.equal(memories.remember(2, log), 2)
  assert.equal(memories.remember(1, log), 0, 'of a replica that was never met nothing is to be written')
})

test('a process is known again by the nonce of its boot alone', () => {
  const memories = new PeerMemories()
  memories.check(hello(3, 'one', 40))
  assert.equal(memories.isKnown(hello(3, 'one', 0)), true)
  assert.equal(memories.isKnown(hello(3, 'two', 40)), false)
  assert.equal(memories.isKnown(hello(4, 'one', 40)), false)
})

test('what is remembered survives through the log', () => {
  const before = new PeerMemories()
  before.check(hello(3, 'one', 40))
  before.noteWrite(2, 50)
  const after = new PeerMemories()
  const peer = (memory: PeerMemory): number => {
    after.restore(memory)
    return 1
  }
  const log = { ...noLog, peer, named: after.name.bind(after) }
  before.name(1, { number: 4, nonce: NONCE })
  before.logChanges(log)
  assert.equal(after.named.get(1)?.number, 4)
  assert.equal(after.check(hello(4, 'two', 49)).ok, false)
  let drained = 0
  before.logChanges({ ...noLog, peer: () => drained++, named: () => drained++ })
  assert.equal(drained, 0, 'nothing has changed since')
})
