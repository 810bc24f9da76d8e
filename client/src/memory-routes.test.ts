/** Which reads go to the memory tier, and what becomes of them when it does not answer. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type MemoryTopology, Operation, parseTopology } from '@thermocline/protocol'
import { connect } from './client.ts'
import { ScriptedNode, startScripted, topologyOf } from './scripted-node.fixture.ts'

const clean: (() => Promise<void> | void)[] = []
after(async () => {
  for (const step of clean.reverse()) await step()
})

/** Three replicas and two memory nodes over one store. */
async function cluster(memory: Partial<MemoryTopology> = {}) {
  const { nodes, store, stop } = await startScripted(3, 1)
  clean.push(stop)
  const machines = [new ScriptedNode(store, 0, 0), new ScriptedNode(store, 0, 1)]
  await Promise.all(machines.map((machine) => machine.listen()))
  clean.push(async () => {
    await Promise.all(machines.map((machine) => machine.kill()))
  })
  const groups = [machines.map(({ address }) => ({ data: address, http: address, zone: '' }))]
  const topology = parseTopology({ ...topologyOf(nodes, 3, 2), memory: { groups, ...memory } })
  for (const node of [...nodes, ...machines]) node.install(topology)
  const client = await connect({ endpoints: nodes.map((node) => node.address), attemptTimeoutMs: 150, defaultTimeoutMs: 3000 })
  clean.push(() => client.close())
  const readsOf = (all: readonly ScriptedNode[]): number =>
    all.flatMap(({ requests }) => requests).filter(({ operation }) => operation === Operation.get || operation === Operation.scan).length
  return { nodes, machines, client, reads: () => ({ storage: readsOf(nodes), memory: readsOf(machines) }) }
}

test('gets and scans go to machines at random; writes, and what asks for versions, to the storage tier', async () => {
  const { machines, client, reads } = await cluster()
  await client.put('alice', '1', 'one')
  for (let read = 0; read < 40; read++) assert.equal((await client.get('alice', '1'))?.id, '1-0')
  await client.scanPage('alice', { limit: 5 })
  await client.pageVersions('alice', [0])
  assert.deepEqual(reads(), { storage: 0, memory: 41 })
  for (const { requests } of machines) assert.ok(requests.length > 5, 'each machine has a share')
})

test('only what is newer than the split point, and only the share that the ratio says', async () => {
  const split = await cluster({ newerThanMs: 60_000 })
  await split.client.get('alice', '1')
  await split.client.get('alice', { ms: Date.now(), seq: 0 })
  assert.deepEqual(split.reads(), { storage: 1, memory: 1 })
  const none = await cluster({ ratioPercent: 0 })
  await none.client.get('alice', '1')
  assert.deepEqual(none.reads(), { storage: 1, memory: 0 })
})

test('a machine that is dead, hangs or leaves a page to the storage tier costs latency, and no request', async () => {
  const { machines, client, reads } = await cluster()
  const [first, second] = machines as [ScriptedNode, ScriptedNode]
  await client.put('alice', '1', 'one')
  second.script = () => ({ code: 'not_cached' })
  first.script = () => 'hang'
  for (let read = 0; read < 4; read++) assert.equal((await client.get('alice', '1'))?.id, '1-0')
  assert.ok(reads().storage >= 4)
  await first.kill()
  await second.kill()
  const before = reads().storage
  assert.equal((await client.get('alice', '1'))?.id, '1-0')
  assert.equal(reads().storage, before + 1)
})

test('a machine that hangs is tried again by one read at a time', async (context) => {
  const { machines, client } = await cluster()
  const [hung] = machines as [ScriptedNode, ScriptedNode]
  await client.put('alice', '1', 'one')
  hung.script = () => 'hang'
  const read = (): Promise<unknown> => client.get('alice', '1')
  await Promise.all(Array.from({ length: 20 }, read))
  const before = hung.requests.length
  for (let wave = 0; wave < 60; wave++) {
    await Promise.all(Array.from({ length: 20 }, read))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const tried = hung.requests.length - before
  context.diagnostic(`1200 reads, ${tried} of them went to it`)
  assert.ok(tried > 0 && tried < 10)
})

test('a topology without a memory tier sends everything to the storage tier again', async () => {
  const { nodes, client, reads } = await cluster()
  await client.get('alice', '1')
  for (const node of nodes) node.install(topologyOf(nodes, 3, 3))
  while (client.topology().epoch < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  await client.get('alice', '1')
  assert.deepEqual(reads(), { storage: 1, memory: 1 })
})

test('a machine that warms up gets a share that grows, and all of it if there is no other', async () => {
  const { machines, client } = await cluster({ warmUpMs: 1000 })
  const [first, second] = machines as [ScriptedNode, ScriptedNode]
  second.warmUpLeftMs = 1000
  for (let read = 0; read < 200; read++) await client.get('alice', '1')
  // By chance some arrive before it has said so.
  assert.ok(second.requests.length < 60, `${second.requests.length} of 200 while it is cold`)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const before = second.requests.length
  for (let read = 0; read < 200; read++) await client.get('alice', '1')
  assert.ok(second.requests.length - before > 60, `${second.requests.length - before} of 200 once it is warm`)
  await first.kill()
  second.warmUpLeftMs = 1_000_000
  for (let read = 0; read < 20; read++) await client.get('alice', '1')
})

test('what is too much for a machine waits and comes again, and does not fall on the storage tier', async () => {
  const { machines, client, reads } = await cluster()
  await client.put('alice', '1', 'one')
  let refusals = 0
  for (const machine of machines) machine.script = () => (++refusals <= 3 ? { code: 'overloaded', argument: 20 } : undefined)
  const beganMs = performance.now()
  assert.equal((await client.get('alice', '1'))?.id, '1-0')
  assert.ok(performance.now() - beganMs >= 60, 'it waited three times as long as it was told to')
  assert.deepEqual(reads(), { storage: 0, memory: 4 })
})
