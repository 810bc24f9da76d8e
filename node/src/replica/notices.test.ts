import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coreOfThree } from '../paxos/core.fixture.ts'
import { Notices } from './notices.ts'
import type { Peers } from './peers.ts'

const ASKER = 1

test('positions that are asked for too soon after the last ones follow them', () => {
  const { core } = coreOfThree()
  const sent: number[] = []
  const messages = { position: (_out: unknown, block: number) => sent.push(block), heartbeat: () => {} }
  const all = [1, 2].map((replica) => ({ replica }))
  const peers = { all, messages, now: () => ({}) } as unknown as Peers
  const notices = new Notices(core, peers)
  core.block(7).chosen = 1
  notices.sendPositions(ASKER)
  sent.length = 0
  // It did not take part yet when they came, and asks once it does.
  notices.answerPositions(ASKER)
  assert.deepEqual(sent, [])
  for (let sweeps = 0; sweeps < 50; sweeps++) {
    core.nowMs += 20
    notices.sweep(false)
  }
  assert.deepEqual(sent, [7])
})
