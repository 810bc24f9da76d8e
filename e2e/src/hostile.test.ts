/**
 * Hostile bytes on a live data port. Every connection that breaks the protocol is told why, with a code, and closed;
 * clients that behave do not notice, nothing is written, and the node stops in time although some never hang up.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import {
  ByteReader,
  ByteWriter,
  beginFrame,
  type ErrorCode,
  endFrame,
  FrameDecoder,
  FrameType,
  HelloKind,
  readGoodbye,
  WIRE_VERSION,
  writeHello,
} from '@thermocline/protocol'
import { Random } from '@thermocline/simulation'
import { waitForAgreement } from './agreement.ts'
import { Load } from './load.ts'
import { replicaStatus } from './node-http.ts'
import { Up } from './up.ts'

const INPUTS = 3000
const AT_A_TIME = 100
const ANSWER_TIMEOUT_MS = 5000

let up: Up
before(async () => {
  up = await Up.fresh()
})
after(() => up.stop())

function hello(change: Partial<Parameters<typeof writeHello>[1]> = {}): Uint8Array {
  const writer = new ByteWriter(128)
  writeHello(writer, { version: WIRE_VERSION, kind: HelloKind.client, clusterId: '0'.repeat(32), name: 'hostile', ...change })
  return writer.written().slice()
}

function frame(type: number, body: Uint8Array): Uint8Array {
  const writer = new ByteWriter(body.length + 8)
  const at = beginFrame(writer, type)
  writer.put(body)
  endFrame(writer, at)
  return writer.written().slice()
}

/** Requests of one operation with a body of any bytes. */
function request(operation: number, body: Uint8Array): Uint8Array {
  const writer = new ByteWriter(body.length + 64)
  writer.u32(1)
  writer.u16(1)
  writer.u32(7)
  writer.u32(1000)
  writer.u8(operation)
  writer.u32(body.length)
  writer.put(body)
  return frame(FrameType.requests, writer.written())
}

type Outcome = { readonly goodbye: ErrorCode; readonly message: string } | 'closed' | 'answered' | 'waits'

/** Sends bytes and reports what came back; `isLast` says that nothing will follow. */
async function send(bytes: Uint8Array, isLast: boolean): Promise<Outcome> {
  const [host, port] = (up.endpoints[0] as string).split(':') as [string, string]
  const socket = connectSocket({ host, port: Number(port), noDelay: true })
  socket.on('error', () => {})
  let outcome: Outcome | undefined
  const decoder = new FrameDecoder(new ByteReader(), (type, reader) => {
    if (type === FrameType.goodbye) {
      const { code, message } = readGoodbye(reader)
      outcome = { goodbye: code, message }
    } else if (type === FrameType.responses) outcome = 'answered'
  })
  socket.on('data', (chunk: Buffer) => decoder.push(chunk))
  const closed = once(socket, 'close')
  if (isLast) socket.end(bytes)
  else socket.write(bytes)
  const waited = delay(ANSWER_TIMEOUT_MS, 'waits' as const, { ref: false })
  while (outcome === undefined) {
    const ended = await Promise.race([closed.then(() => 'closed' as const), delay(2, undefined), waited])
    if (ended !== undefined) outcome ??= ended
  }
  socket.destroy()
  return outcome
}

test('each kind of violation gets its code', async () => {
  const oversized = new Uint8Array([0xff, 0xff, 0xff, 0x7f, FrameType.requests])
  const greeted = (rest: Uint8Array) => Buffer.concat([hello(), rest])
  const magic = hello()
  magic[5] = 0
  const cases: readonly (readonly [what: string, bytes: Uint8Array, code: ErrorCode, says: RegExp])[] = [
    ['a frame beyond the limit of a hello', oversized, 'bad_frame', /is not within 1 to 4096/],
    ['an empty frame', new Uint8Array(8), 'bad_frame', /frame of 0 bytes/],
    ['a wrong magic', magic, 'bad_frame', /a hello starts with/],
    ['requests before the hello', request(2, new Uint8Array(8)), 'bad_frame', /came before the hello/],
    ['a newer wire format', hello({ version: 999 }), 'unsupported_version', /speaks version 999/],
    ['another cluster', hello({ clusterId: 'ab'.repeat(16) }), 'wrong_cluster', /belongs to cluster/],
    ['a peer that says hello as a client', hello({ kind: HelloKind.peer }), 'wrong_role', /hello kind 2/],
    ['a second hello', greeted(hello()), 'bad_frame', /frame type 1/],
    ['a frame of a replica', greeted(frame(FrameType.peer, new Uint8Array(40))), 'bad_frame', /frame type 17/],
    ['an unknown frame type', greeted(frame(200, new Uint8Array(4))), 'bad_frame', /frame type 200/],
    ['more requests than there are', greeted(frame(FrameType.requests, new Uint8Array([1, 0, 0, 0, 255, 0]))), 'bad_frame', /./],
    ['a frame beyond the limit later', greeted(oversized), 'bad_frame', /is not within 1 to 8388608/],
  ]
  for (const [what, bytes, code, says] of cases) {
    const outcome = await send(bytes, false)
    assert.ok(typeof outcome === 'object', `${what}: ${String(outcome)}`)
    assert.equal(outcome.goodbye, code, `${what}: ${outcome.message}`)
    assert.match(outcome.message, says, what)
  }
})

test('a truncated frame is closed with its connection, without a word', async () => {
  assert.equal(await send(hello().subarray(0, 12), true), 'closed')
  assert.equal(await send(new Uint8Array([1, 0]), true), 'closed')
})

/** Random bytes, changed hellos and changed requests, half of them cut somewhere. */
function makeInput(random: Random): Uint8Array {
  const noise = Uint8Array.from({ length: random.below(200) }, () => random.below(256))
  const kind = random.below(6)
  const parts: Uint8Array[] = kind === 0 ? [noise] : [hello()]
  if (kind === 1) parts.push(noise)
  if (kind === 2) parts.push(frame(random.below(24), noise))
  if (kind >= 3) parts.push(request(random.below(9), noise))
  const bytes = Buffer.concat(parts)
  if (kind === 5) for (let flips = 1 + random.below(4); flips > 0; flips--) bytes[random.below(bytes.length)] = random.below(256)
  return random.below(2) === 0 ? bytes : bytes.subarray(0, random.below(bytes.length + 1))
}

test(`${INPUTS} hostile inputs beside a load`, async (t: TestContext) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  const random = new Random(seed)
  const load = await Load.start({ endpoints: up.endpoints, clients: 8, writesPerSecond: 300, readsPerSecond: 300, series: 20 })
  const counts: Record<string, number> = {}
  for (let sent = 0; sent < INPUTS; sent += AT_A_TIME) {
    const inputs = Array.from({ length: AT_A_TIME }, () => makeInput(random))
    for (const outcome of await Promise.all(inputs.map((bytes) => send(bytes, true)))) {
      const name = typeof outcome === 'object' ? outcome.goodbye : outcome
      counts[name] = (counts[name] ?? 0) + 1
      assert.notEqual(name, 'internal', `seed ${seed}`)
      assert.notEqual(name, 'waits', `seed ${seed}`)
    }
  }
  await load.stop()
  t.diagnostic(`seed ${seed}: ${JSON.stringify(counts)}; ${load.writes} writes meanwhile, longest gap ${load.longestGapMs.toFixed(0)} ms`)
  assert.deepEqual(load.failures, [])
  assert.ok((counts.bad_frame ?? 0) > 100)
  await waitForAgreement(up.http)
  const statuses = await Promise.all(up.http.map(replicaStatus))
  assert.deepEqual(
    statuses.map(({ boot, state }) => `${boot} ${state}`),
    ['1 serving', '1 serving', '1 serving'],
    'no node was restarted',
  )
})

test('connections that never say anything, or never hang up, do not hold up a stop', async (t: TestContext) => {
  const [host, port] = (up.endpoints[2] as string).split(':') as [string, string]
  const open = (bytes: Uint8Array): Socket => {
    const socket = connectSocket({ host, port: Number(port), allowHalfOpen: true })
    socket.on('error', () => {})
    socket.on('end', () => {})
    if (bytes.length > 0) socket.write(bytes)
    return socket
  }
  const sockets = [new Uint8Array(0), new Uint8Array([1]), hello(), new Uint8Array(8)].flatMap((bytes) => [open(bytes), open(bytes)])
  await delay(300)
  const beganMs = performance.now()
  const seen = up.events.length
  process.kill(up.pidOf(2), 'SIGTERM')
  while (!up.events.slice(seen).some(({ event }) => event === 'exited')) {
    if (performance.now() - beganMs > 60_000) assert.fail('the node runs 60 s after SIGTERM')
    await delay(20)
  }
  const tookMs = performance.now() - beganMs
  t.diagnostic(`stopped after ${Math.round(tookMs)} ms`)
  for (const socket of sockets) socket.destroy()
  assert.equal(up.events.slice(seen).find(({ event }) => event === 'exited')?.how, 'exit code 0')
})
