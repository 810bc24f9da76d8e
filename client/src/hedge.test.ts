/** A replica that is frozen, or that only learns a block, costs the calls to it little, and the others nothing. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { blockOf, encodeSeries, ONLY_THIS_BLOCK, Operation } from '@thermocline/protocol'
import { connectScripted, countOf, firstOf } from './scripted-client.fixture.ts'

/** So long that a call which only its attempt's end brings to another replica fails the test by its deadline. */
const ATTEMPT_MS = 60_000
const TIMEOUT_MS = 30_000
const cluster = (t: TestContext) => connectScripted(t, 3, { attemptTimeoutMs: ATTEMPT_MS, defaultTimeoutMs: TIMEOUT_MS })

test('reads and writes that a frozen replica has go on at another one, under the same stamp', async (t) => {
  const { client, nodes, first } = await cluster(t)
  first.script = () => 'hang'
  const [read, written] = await Promise.all([client.get('alice', '1'), client.put('alice', '2', 'y')])
  assert.equal(new TextDecoder().decode(read?.value), 'x')
  assert.ok(written.version > 0)
  assert.equal(client.stats().hedges, 2)
  const writes = nodes.flatMap(({ requests }) => requests).filter(({ operation }) => operation === Operation.write)
  const last = writes.filter(({ requestId }) => requestId === writes.at(-1)?.requestId)
  assert.equal(last.length, 2)
  assert.equal(new Set(last.map(({ stamp }) => stamp)).size, 1)
})

test('a replica that answers others is only slow: nothing is asked twice', async (t) => {
  const { client, first } = await cluster(t)
  let isHeld = true
  first.script = ({ operation }) => (operation === Operation.get && isHeld ? 200 : undefined)
  const read = client.get('alice', '1')
  const began = performance.now()
  while (performance.now() - began < 150) await client.put('alice', '3', 'z')
  isHeld = false
  await read
  assert.equal(client.stats().hedges, 0)
})

test('a replica that learns a block is passed over for it, and asked for all others', async (t) => {
  const { client, first } = await cluster(t)
  const block = blockOf(encodeSeries('alice'))
  const other = Array.from({ length: 1000 }, (_, number) => `other-${number}`).find(
    (series) => firstOf(series, 3) === first.replica && blockOf(encodeSeries(series)) !== block,
  ) as string
  first.script = ({ operation, body }) => {
    const isOfAlice = operation === Operation.get && body[0] === 'alice'.length
    return isOfAlice ? { code: 'unavailable', argument: ONLY_THIS_BLOCK } : undefined
  }
  for (let count = 0; count < 20; count++) {
    await client.get('alice', '1')
    await client.get(other, '1')
  }
  const asked = first.requests.filter(({ operation, body }) => operation === Operation.get && body[0] === 'alice'.length).length
  assert.equal(asked, 1)
  assert.equal(countOf(first, Operation.get) - asked, 20)
})
