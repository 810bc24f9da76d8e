import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { blockOf, encodeSeries, Operation, placementOf, replicaOrder, ThermoclineError } from '@thermocline/protocol'
import { type Client, connect } from './client.ts'
import type { ConnectOptions } from './options.ts'
import { CLUSTER, type Deed, type ScriptedNode, type ScriptedRequest, startScripted, topologyOf } from './scripted-node.fixture.ts'

const clean: (() => Promise<void> | void)[] = []
after(async () => {
  for (const step of clean.reverse()) await step()
})

async function cluster(replicas = 3, groups = 1, options: Partial<ConnectOptions> = {}) {
  const { nodes, store, stop } = await startScripted(replicas, groups)
  clean.push(stop)
  const client = await connect({ endpoints: nodes.map((node) => node.address), attemptTimeoutMs: 150, defaultTimeoutMs: 3000, ...options })
  clean.push(() => client.close())
  return { nodes, store, client }
}

/** The nodes of a one-group cluster in the order in which a series' requests try them. */
function order(nodes: readonly ScriptedNode[], series: string): ScriptedNode[] {
  const slot = placementOf(1).slot[blockOf(encodeSeries(series))] as number
  return replicaOrder(slot, nodes.length).map((replica) => nodes[replica] as ScriptedNode)
}

const bytes = (text: string) => new TextEncoder().encode(text)
const writesOf = (nodes: readonly ScriptedNode[]) =>
  nodes
    .flatMap((node) => node.requests)
    .filter((request) => request.operation === Operation.write)
    .sort((a, b) => a.sequence - b.sequence)

/** Does `deed` to the first `times` writes of a node. */
function onWrites(node: ScriptedNode, deed: Deed, times = Number.POSITIVE_INFINITY): void {
  let left = times
  node.script = (request: ScriptedRequest) => (request.operation === Operation.write && left-- > 0 ? deed : undefined)
}

async function failure(promise: Promise<unknown>): Promise<ThermoclineError> {
  const error = await promise.then(
    () => assert.fail('it should have failed'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ThermoclineError, String(error))
  return error
}

test('put, get, delete, append, batchWrite, batchGet and pageVersions say what they did', async () => {
  const { client } = await cluster()
  const { version } = await client.put('alice', '1000-1', 'one')
  assert.equal(version, 6)
  assert.deepEqual(await client.get('alice', { ms: 1000, seq: 1 }), { id: '1000-1', version, value: bytes('one') })
  assert.equal(await client.get('alice', '2000'), undefined)
  assert.deepEqual(await client.delete('alice', '1000-1'), { version: 7, existed: true })
  assert.deepEqual(await client.delete('alice', '1000-1'), { version: 8, existed: false })
  assert.deepEqual(await client.append('alice', 'more'), { id: '1700000000000-9', version: 9 })
  const batch = await client.batchWrite('bob', [
    { type: 'put', id: '5', value: 'five' },
    { type: 'put', id: '6', value: bytes('six') },
    { type: 'delete', id: '7' },
  ])
  assert.equal(batch.version, 10)
  const read = await client.batchGet([
    { series: 'bob', id: '6' },
    { series: 'alice', id: '1000-1' },
    { series: 'bob', id: '5' },
  ])
  assert.deepEqual(
    read.map((record) => record?.id),
    ['6-0', undefined, '5-0'],
  )
  assert.deepEqual((await client.pageVersions('bob', [3, 4])).versions, [4, 5])
})

test('a batch of more ids of a series than a request may have goes out in several, and each record stands where it was asked for', async () => {
  const { nodes, client } = await cluster()
  await client.put('alice', '2000', 'late')
  await client.put('bob', '7', 'bob')
  const keys = Array.from({ length: 2500 }, (_, at) => (at % 500 === 1 ? { series: 'bob', id: '7' } : { series: 'alice', id: `${at}` }))
  const read = await client.batchGet(keys)
  assert.deepEqual(
    read.flatMap((record, at) => (record === undefined ? [] : [`${at} ${record.id}`])),
    ['1 7-0', '501 7-0', '1001 7-0', '1501 7-0', '2000 2000-0', '2001 7-0'],
  )
  const gets = nodes.flatMap((node) => node.requests).filter(({ operation }) => operation === Operation.get)
  const idsOf = (body: Uint8Array): number => new DataView(body.buffer, body.byteOffset).getUint16(2 + (body[0] as number), true)
  assert.deepEqual(
    gets.map(({ body }) => idsOf(body)).sort((a, b) => a - b),
    [1, 447, 1024, 1024],
  )
})

test('a batch that names a record more than once asks for it once, and has it wherever it was asked for', async () => {
  const { nodes, client } = await cluster()
  await client.put('alice', '5-1', 'one')
  await client.put('alice', '5-2', 'two')
  const read = await client.batchGet(['5-1', '5-2', '5-1', '6', '6-0', '5-2'].map((id) => ({ series: 'alice', id })))
  assert.deepEqual(
    read.map((record) => record?.id),
    ['5-1', '5-2', '5-1', undefined, undefined, '5-2'],
  )
  const [get] = nodes.flatMap((node) => node.requests).filter(({ operation }) => operation === Operation.get)
  assert.equal(get?.body.length, 2 + 5 + 2 + 3 * 8)
})

test('a scan goes chunk by chunk, newest first by default, with inclusive bounds and a limit', async () => {
  const { client, store } = await cluster()
  for (let ms = 1; ms <= 8; ms++) await client.put('s', `${ms}`, `${ms}`)
  const ids = async (options?: Parameters<Client['scan']>[1]) => {
    const seen: string[] = []
    for await (const record of client.scan('s', options)) seen.push(record.id)
    return seen.map((id) => Number(id.split('-')[0]))
  }
  assert.deepEqual(await ids(), [8, 7, 6, 5, 4, 3, 2, 1])
  assert.deepEqual(await ids({ reverse: false, limit: 5 }), [1, 2, 3, 4, 5])
  assert.deepEqual(await ids({ from: '3', to: '6' }), [6, 5, 4, 3])
  const page = await client.scanPage('s', { to: '6', limit: 2 })
  assert.deepEqual([page.records.map((record) => record.id), page.continuation], [['6-0', '5-0'], '4-0'])
  const next = await client.scanPage('s', { to: '6', limit: 2, continuation: page.continuation })
  assert.deepEqual(
    next.records.map((record) => record.id),
    ['4-0', '3-0'],
  )
  for (const ms of [8, 7, 6]) store.removed.add(ms)
  const empty = await client.scanPage('s')
  assert.deepEqual([empty.records, empty.continuation], [[], '5-0'])
  assert.deepEqual(await ids({ limit: 4 }), [5, 4, 3, 2])
})

test('what is issued in one tick goes out in one frame per connection; stamps are asked once per block and batch', async () => {
  const { nodes, client } = await cluster()
  await Promise.all(Array.from({ length: 64 }, (_, seq) => client.put('alice', { ms: 1, seq }, 'x')))
  await Promise.all(Array.from({ length: 64 }, (_, seq) => client.get('alice', { ms: 1, seq })))
  const [first] = order(nodes, 'alice')
  assert.deepEqual(
    first?.frames.filter((count) => count > 1),
    [64, 64],
  )
  assert.equal(nodes.flatMap((node) => node.requests).filter((request) => request.operation === Operation.stamps).length, 1)
  const ids = writesOf(nodes).map((request) => request.requestId)
  assert.equal(new Set(ids).size, 64)
  assert.ok(writesOf(nodes).every((request) => request.stamp === 5))
})

test('a later write is stamped with the highest index known', async () => {
  const { nodes, client } = await cluster()
  await client.put('alice', '1', 'x')
  await client.put('alice', '2', 'x')
  await client.get('alice', '2')
  await client.put('alice', '3', 'x')
  assert.deepEqual(
    writesOf(nodes).map((request) => request.stamp),
    [5, 6, 7],
  )
})

test('requests go to the first choice of the block; with two groups to the owning group', async () => {
  const { nodes, client } = await cluster(3, 2)
  for (let at = 0; at < 20; at++) await client.get(`series-${at}`, '1')
  for (const node of nodes) {
    for (const request of node.requests.filter((r) => r.operation === Operation.get)) {
      const series = request.body.subarray(2, 2 + (request.body[0] as number))
      const placement = placementOf(2)
      assert.equal(node.group, placement.owner[blockOf(series)])
      assert.equal(node.replica, replicaOrder(placement.slot[blockOf(series)] as number, 3)[0])
    }
  }
})

test('every attempt of a write carries the same request id and stamp, and is applied once', async () => {
  for (const deed of ['hang', 'apply-drop', 'drop', { code: 'unavailable' }, { code: 'unknown' }] satisfies Deed[]) {
    const { nodes, store, client } = await cluster()
    const [first, second] = order(nodes, 'alice') as [ScriptedNode, ScriptedNode]
    await client.get('alice', '1')
    onWrites(first, deed)
    const { version } = await client.put('alice', '1', 'x')
    const writes = writesOf(nodes)
    assert.equal(writes.length, 2)
    assert.equal(writes[0]?.requestId, writes[1]?.requestId)
    assert.equal(writes[0]?.stamp, writes[1]?.stamp)
    assert.deepEqual(
      writes.map((request) => request.node.replica),
      [first.replica, second.replica],
    )
    assert.equal(version, 6)
    assert.equal(store.index, 6)
  }
})

test('an answer to an attempt that was given up still counts', async () => {
  const { nodes, client } = await cluster()
  const [first, second, third] = order(nodes, 'alice') as [ScriptedNode, ScriptedNode, ScriptedNode]
  await client.get('alice', '1')
  onWrites(first, 300)
  onWrites(second, 'hang')
  onWrites(third, 'hang')
  const began = performance.now()
  await client.put('alice', '1', 'x')
  assert.ok(performance.now() - began < 600)
})

test('busy and overloaded pause before the next round; overloaded at least as long as it says', async () => {
  const { nodes, client } = await cluster()
  const [first, second] = order(nodes, 'alice') as [ScriptedNode, ScriptedNode]
  onWrites(first, { code: 'busy' }, 1)
  await client.put('alice', '1', 'x')
  assert.deepEqual([writesOf([first]).length, writesOf([second]).length], [2, 0])
  onWrites(first, { code: 'busy' })
  await client.put('alice', '1', 'x')
  assert.deepEqual([writesOf([first]).length, writesOf([second]).length], [4, 1])
  onWrites(first, { code: 'overloaded', argument: 120 }, 1)
  const began = performance.now()
  await client.put('alice', '2', 'x')
  assert.ok(performance.now() - began >= 115)
})

test('a failed condition is final and carries the current version', async () => {
  const { nodes, client } = await cluster()
  const [first] = order(nodes, 'alice') as [ScriptedNode]
  onWrites(first, { code: 'precondition_failed', argument: 42, index: 9 })
  const error = await failure(client.put('alice', '1', 'x', { ifAbsent: true }))
  assert.deepEqual([error.code, error.outcome, error.currentVersion], ['precondition_failed', 'not', 42])
  assert.match(error.message, /^put "alice" 1-0: /)
  assert.equal(writesOf(nodes).length, 1)
})

test('expired: a sole attempt starts again as a new request, a retry with an open attempt is unknown', async () => {
  const { nodes, client } = await cluster()
  const [first, second] = order(nodes, 'alice') as [ScriptedNode, ScriptedNode]
  onWrites(first, { code: 'expired', index: 50 }, 1)
  await client.put('alice', '1', 'x')
  const [one, two] = writesOf(nodes)
  assert.notEqual(one?.requestId, two?.requestId)
  assert.equal(two?.stamp, 50)
  onWrites(first, 'drop')
  onWrites(second, { code: 'expired' })
  const error = await failure(client.put('alice', '2', 'x'))
  assert.deepEqual([error.code, error.outcome], ['unknown', 'maybe'])
  onWrites(first, { code: 'expired' })
  const endless = await failure(client.put('alice', '3', 'x'))
  assert.deepEqual([endless.code, endless.outcome], ['expired', 'not'])
})

test('the deadline: a read gives up; a write says whether it may have happened', async () => {
  const { nodes, client } = await cluster()
  await client.get('alice', '1')
  for (const node of nodes) node.script = (request) => (request.operation === Operation.topology ? undefined : 'hang')
  const read = await failure(client.get('alice', '1', { timeoutMs: 250 }))
  assert.deepEqual([read.code, read.outcome], ['deadline_exceeded', 'not'])
  const sent = await failure(client.put('alice', '1', 'x', { timeoutMs: 250 }))
  assert.deepEqual([sent.code, sent.outcome], ['unknown', 'maybe'])
  const unsent = await failure(client.put('bob', '1', 'x', { timeoutMs: 250 }))
  assert.deepEqual([unsent.code, unsent.outcome], ['deadline_exceeded', 'not'])
  for (const node of nodes) node.script = (request) => (request.operation === Operation.write ? { code: 'busy' } : undefined)
  const refused = await failure(client.put('alice', '1', 'x', { timeoutMs: 250 }))
  assert.deepEqual([refused.code, refused.outcome], ['deadline_exceeded', 'not'])
})

test('AbortSignal and close end calls as cancelled', async () => {
  const { nodes, client } = await cluster()
  for (const node of nodes) node.script = (request) => (request.operation === Operation.topology ? undefined : 'hang')
  const controller = new AbortController()
  const get = failure(client.get('alice', '1', { signal: controller.signal }))
  setTimeout(() => controller.abort(), 20)
  assert.equal((await get).code, 'cancelled')
  assert.equal((await failure(client.get('alice', '1', { signal: AbortSignal.abort() }))).code, 'cancelled')
  const shared = new AbortController()
  const many = Array.from({ length: 30 }, () => failure(client.get('alice', '1', { signal: shared.signal })))
  setTimeout(() => shared.abort(), 20)
  assert.ok((await Promise.all(many)).every(({ code }) => code === 'cancelled'))
  const open = failure(client.put('alice', '1', 'x'))
  setTimeout(() => client.close(), 20)
  assert.equal((await open).code, 'cancelled')
  assert.equal((await failure(client.get('alice', '1'))).code, 'cancelled')
})

test('a killed replica is asked last and comes back; no call fails', async () => {
  const { nodes, client } = await cluster()
  const [first] = order(nodes, 'alice') as [ScriptedNode]
  await client.put('alice', '1', 'x')
  await first.kill()
  for (let at = 0; at < 50; at++) await client.put('alice', `${at}`, 'x')
  const before = first.requests.length
  await first.listen()
  const until = performance.now() + 3000
  while (first.requests.length === before && performance.now() < until) {
    await client.get('alice', '1')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.ok(first.requests.length > before, 'it is asked again')
})

test('a replica that connects but does not answer gets one call at a time as a trial', async () => {
  const { nodes, client } = await cluster()
  const [first] = order(nodes, 'alice') as [ScriptedNode]
  await client.get('alice', '1')
  first.script = (request) => (request.operation === Operation.get ? 'hang' : undefined)
  await Promise.all(Array.from({ length: 20 }, () => client.get('alice', '1')))
  const until = performance.now() + 700
  while (performance.now() < until) {
    await Promise.all(Array.from({ length: 20 }, () => client.get('alice', '1')))
  }
  const hung = first.requests.filter((request) => request.operation === Operation.get).length
  assert.ok(hung <= 1 + 20 + 4, `${hung} requests went to it`)
  first.script = () => undefined
  const before = first.requests.length
  const end = performance.now() + 3000
  while (first.requests.length < before + 50 && performance.now() < end) {
    await Promise.all(Array.from({ length: 20 }, () => client.get('alice', '1')))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.ok(first.requests.length >= before + 50, 'it is asked by all again')
})

test('a newer epoch in a reply, or moved, brings the new topology', async () => {
  const { nodes, client } = await cluster(1, 1)
  const spare = await startScripted(1, 1)
  clean.push(spare.stop)
  const [node] = nodes as [ScriptedNode]
  const [target] = spare.nodes as [ScriptedNode]
  const seen: number[] = []
  const controller = new AbortController()
  const watched = (async () => {
    for await (const topology of client.watchTopology({ signal: controller.signal })) seen.push(topology.epoch)
  })()
  const next = topologyOf([target], 1, 2)
  target.install(next)
  node.script = (request) => {
    if (request.operation === Operation.topology) return undefined
    node.topology = next
    return { code: 'moved', argument: 2 }
  }
  await client.put('alice', '1', 'x')
  assert.equal(client.topology().epoch, 2)
  assert.equal(writesOf([target]).length, 1)
  target.install({ ...next, epoch: 3 })
  const until = performance.now() + 2000
  while (client.topology().epoch < 3 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 10))
  controller.abort()
  await watched
  assert.deepEqual(seen, [1, 2, 3])
})

test('a validation that is answered moved ends at once: who asks has to put it together anew', async () => {
  const { nodes, client } = await cluster()
  for (const node of nodes) node.script = ({ operation }) => (operation === Operation.validate ? { code: 'moved' } : undefined)
  const error = await failure(client.validate(new Uint8Array(8), blockOf(encodeSeries('alice')), 0))
  assert.equal(error.code, 'moved')
  assert.equal(nodes.flatMap((node) => node.requests).filter(({ operation }) => operation === Operation.validate).length, 1)
})

test('another cluster, another version and another slot are refused', async () => {
  const { nodes, stop } = await startScripted()
  clean.push(stop)
  const endpoints = nodes.map((node) => node.address)
  const other = await failure(connect({ endpoints, clusterId: 'ff'.repeat(16), connectTimeoutMs: 500 }))
  assert.equal(other.code, 'wrong_cluster')
  for (const node of nodes) node.helloVersion = 9
  assert.equal((await failure(connect({ endpoints, connectTimeoutMs: 500 }))).code, 'unsupported_version')
  const none = await failure(connect({ endpoints: ['127.0.0.1:1'], connectTimeoutMs: 200 }))
  assert.deepEqual([none.code, /127\.0\.0\.1:1/.test(none.message)], ['unavailable', true])
  const { nodes: swapped, client } = await cluster()
  const [one, two] = order(swapped, 'alice') as [ScriptedNode, ScriptedNode]
  const [at, port] = [one.port, two.port]
  await Promise.all([one.kill(), two.kill()])
  await Promise.all([one.listen(port), two.listen(at)])
  await client.put('alice', '1', 'x')
  assert.equal(writesOf([one, two]).length, 0)
})

test('bad arguments are refused by name before anything is sent', async () => {
  const { nodes, client } = await cluster()
  const cases: [Promise<unknown>, RegExp][] = [
    [client.put('', '1', 'x'), /^series: /],
    [client.put('s'.repeat(513), '1', 'x'), /^series: /],
    [client.put('s', 'abc', 'x'), /^id: /],
    [client.put('s', { ms: -1, seq: 0 }, 'x'), /^id: /],
    [client.put('s', '1', new Uint8Array(1024 * 1024 + 1)), /^value: /],
    [client.put('s', '1', 5 as unknown as string), /^value: /],
    [client.get('s', '1', { timeoutMs: 0 }), /^timeoutMs: /],
    [client.batchWrite('s', []), /^ops: /],
    [client.scanPage('s', { from: '5', to: '4' }), /^from: /],
    [client.scanPage('s', { limit: 0 }), /^limit: /],
    [client.pageVersions('s', [-1]), /^slices: /],
    [connect({ endpoints: [] }), /^endpoints: /],
    [connect({ endpoints: ['nowhere'] }), /^endpoints: /],
    [connect({ endpoints: ['a:1'], tiemout: 5 } as unknown as ConnectOptions), /tiemout/],
    [connect({ endpoints: ['a:1'], clusterId: 'x' }), /^clusterId: /],
  ]
  for (const [promise, message] of cases) {
    const error = await failure(promise)
    assert.equal(error.code, 'invalid_argument')
    assert.match(error.message, message)
  }
  assert.ok(nodes.every((node) => node.requests.every((request) => request.operation === Operation.topology)))
})

test('large values travel whole', async () => {
  const { client } = await cluster()
  const timeoutMs = 120_000
  const value = new Uint8Array(1024 * 1024).map((_, at) => at * 31)
  await Promise.all(Array.from({ length: 24 }, (_, seq) => client.put('big', { ms: 1, seq }, value, { timeoutMs })))
  assert.deepEqual((await client.get('big', '1-23', { timeoutMs }))?.value, value)
})

test('measured: CPU of the client and its scripted peer per operation in batches of 64', async (t) => {
  const { client } = await cluster(1)
  const rounds = 150
  for (const name of ['put', 'get'] as const) {
    const run = async (count: number) => {
      for (let round = 0; round < count; round++) {
        await Promise.all(
          Array.from({ length: 64 }, (_, seq) =>
            name === 'put' ? client.put('alice', { ms: 1, seq }, 'x'.repeat(200)) : client.get('alice', { ms: 1, seq }),
          ),
        )
      }
    }
    await run(30)
    const before = process.cpuUsage()
    await run(rounds)
    const { user, system } = process.cpuUsage(before)
    t.diagnostic(`${name}: ${((user + system) / rounds / 64).toFixed(1)} µs, the scripted peer included`)
  }
})

test('the cluster id of the topology is used from then on', async () => {
  const { client } = await cluster()
  assert.equal(client.topology().clusterId, CLUSTER)
})
