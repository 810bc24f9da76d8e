import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ByteReader, ByteWriter, FrameDecoder, FrameType, Operation, readGoodbye } from '@thermocline/protocol'
import { takeTcpStream } from '../io/os/tcp-stream.ts'
import type { TakeStream } from '../io/ports.ts'
import { HELLO_TIMEOUT_MS, STALL_MS } from './connection.ts'
import { DataServer } from './data-server.ts'
import { helloBytes, requestsFrame, writeRequest } from './raw-client.fixture.ts'

const ANSWER_BYTES = 256 * 1024
const ANSWERS = 40

/** A node that answers each request with `ANSWER_BYTES` bytes. */
async function startServer(context: TestContext, takeStream: TakeStream<Socket> = takeTcpStream): Promise<number> {
  const answer = new Uint8Array(ANSWER_BYTES)
  const server = new DataServer({
    clusterId: () => '0'.repeat(32),
    process: () => ({ group: 0, replica: 0, incarnation: { number: 0, nonce: '0'.repeat(16) }, boot: 1 }),
    epoch: () => 1,
    sliceDurationMs: () => 1000,
    takeStream,
    submit: (_operation, _body, _timeoutMs, target, token) => target.reply(token, 0, answer),
    warn: () => {},
    onPeer: () => {},
  })
  context.after(() => server.close())
  return Number((await server.listen('127.0.0.1:0')).split(':').at(-1))
}

async function dial(context: TestContext, port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  socket.on('error', () => {})
  context.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function greeted(context: TestContext, port: number): Promise<Socket> {
  const socket = await dial(context, port)
  socket.write(helloBytes())
  await once(socket, 'data')
  return socket
}

function emptyRequests(count: number): Uint8Array {
  const requests = new ByteWriter(1024)
  for (let correlation = 1; correlation <= count; correlation++) writeRequest(requests, correlation, Operation.get, new Uint8Array(0))
  return requestsFrame(count, requests.copy())
}

/** The message with which the other side ends the connection. */
async function goodbyeOf(socket: Socket): Promise<string> {
  let message = ''
  const decoder = new FrameDecoder(new ByteReader(), (type, reader) => {
    if (type === FrameType.goodbye) message = readGoodbye(reader).message
  })
  socket.on('data', (chunk: Buffer) => decoder.push(chunk))
  await once(socket, 'end')
  return message
}

const pass = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Real sockets need turns of the event loop, while the clock stands still. */
async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await pass()
}

test('a client that begins a hello and does not end it is told so, and its connection ends', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const port = await startServer(context)
  const socket = await dial(context, port)
  const goodbye = goodbyeOf(socket)
  socket.write(Uint8Array.of(40, 0, 0, 0, FrameType.hello, 1, 2, 3))
  await turns(50)
  context.mock.timers.tick(HELLO_TIMEOUT_MS)
  assert.match(await goodbye, /no hello came/)
})

test('a client that cannot be taken over, since no descriptor is left, costs nothing else', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const port = await startServer(context, (socket) => {
    socket.destroy()
    throw new Error('no descriptor is left')
  })
  const socket = await dial(context, port)
  const closed = once(socket, 'close')
  socket.write(Uint8Array.of(40, 0, 0, 0, FrameType.hello))
  await closed
  context.mock.timers.tick(HELLO_TIMEOUT_MS)
})

test('before its hello a client can announce no large frame', async (context) => {
  const socket = await dial(context, await startServer(context))
  const goodbye = goodbyeOf(socket)
  socket.write(Uint8Array.of(0, 0, 0x80, 0, FrameType.hello))
  assert.match(await goodbye, /a frame of 8388608 bytes/)
})

test('a client that takes nothing of its answers is cut off; one that takes some is not', async (context) => {
  const port = await startServer(context)
  context.mock.timers.enable({ apis: ['setInterval'] })
  const [stuck, slow] = await Promise.all([greeted(context, port), greeted(context, port)])
  const closed = once(stuck, 'close')
  for (const socket of [stuck, slow]) {
    socket.pause()
    socket.write(emptyRequests(ANSWERS))
  }
  await turns(100)
  let taken = 0
  slow.on('data', (chunk: Buffer) => {
    taken += chunk.length
    slow.pause()
  })
  for (let times = 2; times > 0; times--) {
    const before = taken
    while (taken < before + ANSWERS * ANSWER_BYTES * 0.3) {
      slow.resume()
      await pass()
    }
    await turns(100)
    context.mock.timers.tick(STALL_MS)
  }
  stuck.resume()
  await closed
  assert.equal(slow.closed, false)
})
