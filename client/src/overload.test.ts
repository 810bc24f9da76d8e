/** A replica that has too much to do is not given more of it by calls that are made anew. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Operation } from '@thermocline/protocol'
import { connectScripted, countOf } from './scripted-client.fixture.ts'

const CALLS = 4000
/** What a budget has at first, what answers earn, and some room. */
const MOST_MADE_ANEW = 1600

test('of calls that a busy replica is slow to answer only a part goes on to another one', async (t) => {
  const { client, nodes, first } = await connectScripted(t, 3, { attemptTimeoutMs: 100, defaultTimeoutMs: 3000 })
  first.script = ({ operation }) => (operation === Operation.get ? 'hang' : undefined)
  const calls = Array.from({ length: CALLS }, () => client.get('alice', '1').catch(() => undefined))
  let isOver = false
  const speaking = (async () => {
    for (; !isOver; await delay(5)) await client.put('alice', '2', 'y')
  })()
  await Promise.all(calls)
  isOver = true
  await speaking
  const elsewhere = nodes.reduce((sum, node) => sum + (node === first ? 0 : countOf(node, Operation.get)), 0)
  assert.ok(elsewhere > 0)
  assert.ok(elsewhere < MOST_MADE_ANEW, `${elsewhere} of ${CALLS} calls went on to another replica`)
})
