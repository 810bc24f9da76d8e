/** A replica that hangs with its connection open keeps the room of all that was sent to it: what is queued behind that must go on. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Operation } from '@thermocline/protocol'
import { STALL_MS } from './constants.ts'
import { connectScripted, countOf } from './scripted-client.fixture.ts'

const ATTEMPT_MS = 300
/** Against hangs: a call that waits for its deadline fails. */
const TIMEOUT_MS = 120_000
/** So many fill a connection. */
const FULL = 16
const value = new Uint8Array(1024 * 1024)

async function cluster(t: TestContext, replicas: number) {
  const scripted = await connectScripted(t, replicas, { attemptTimeoutMs: ATTEMPT_MS, defaultTimeoutMs: TIMEOUT_MS })
  const puts = (count: number) => Array.from({ length: count }, (_, seq) => scripted.client.put('alice', { ms: 2, seq }, value))
  return { ...scripted, puts }
}

const pass = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function spanOf(call: Promise<unknown>): Promise<number> {
  const began = performance.now()
  await call
  return performance.now() - began
}

test('calls that wait behind a full connection, and calls that come later, go on to the other replicas', async (t) => {
  const { client, first, puts } = await cluster(t, 3)
  first.script = () => 'hang'
  const spans = puts(FULL + 8).map(spanOf)
  const sentBefore = countOf(first, Operation.write)
  for (let left = 20; left > 0; left--) {
    await pass(ATTEMPT_MS / 5)
    spans.push(spanOf(client.get('alice', '1')))
  }
  t.diagnostic(`the slowest took ${Math.round(Math.max(...(await Promise.all(spans))))} ms`)
  assert.equal(countOf(first, Operation.write) - sentBefore, FULL)
  assert.equal(countOf(first, Operation.get), 0)
})

test('a full connection on which nothing comes any more is closed, and a new one is asked again', async (t) => {
  const { client, first, puts } = await cluster(t, 3)
  first.script = () => 'hang'
  await Promise.all(puts(FULL + 1))
  first.script = () => undefined
  const now = performance.now.bind(performance)
  t.mock.method(performance, 'now', () => now() + STALL_MS)
  const before = first.connections
  for (const until = now() + TIMEOUT_MS; countOf(first, Operation.get) === 0 && now() < until; await pass(20))
    await client.get('alice', '1')
  assert.equal(first.connections, before + 1)
  assert.ok(countOf(first, Operation.get) > 0)
})

test('with no other replica a call says why it was not sent', async (t) => {
  const { client, first, puts } = await cluster(t, 1)
  first.script = () => 'hang'
  const failed = Promise.allSettled(puts(FULL))
  await assert.rejects(client.get('alice', '1', { timeoutMs: 2 * ATTEMPT_MS }), {
    code: 'deadline_exceeded',
    message: new RegExp(`never sent; last: ${first.address}: not sent within ${ATTEMPT_MS} ms, since too much waits there$`),
  })
  client.close()
  await failed
})

test('a call that stands in a queue several times is sent once', async (t) => {
  const { client, first, puts } = await cluster(t, 1)
  first.script = ({ operation }) => (operation === Operation.write ? ATTEMPT_MS * 5 : undefined)
  const written = puts(FULL)
  await client.get('alice', '1')
  assert.ok(client.stats().attemptTimeouts >= 2 * (FULL + 1), 'each was to be queued again, the get twice')
  await Promise.all(written)
  // It stands behind all that was queued before.
  await client.get('alice', '1')
  assert.equal(countOf(first, Operation.get), 2)
})
