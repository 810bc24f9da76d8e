import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ByteReader, ByteWriter, ERRORS, FrameDecoder, FrameType, Operation, readGoodbye } from '@thermocline/protocol'
import { HELLO_TIMEOUT_MS } from '../doors/hello-bounds.ts'
import { quietDoors } from '../doors/quiet-doors.fixture.ts'
import { Traffic } from '../doors/traffic.ts'
import { STALLED_LOOKS } from '../doors/unfinished-frames.ts'
import { osClock } from '../io/os/clock.ts'
import { TcpServer } from '../io/os/tcp-server.ts'
import type { IncomingStream, StreamServer } from '../io/ports.ts'
import { MAX_ARRIVALS } from './arrivals.ts'
import { STALL_MS } from './connection.ts'
import { DataServer } from './data-server.ts'
import { helloBytes, requestsFrame, writeRequest } from './raw-client.fixture.ts'

const ANSWER_BYTES = 256 * 1024
const ANSWERS = 40

interface Started {
  readonly traffic: Traffic
  readonly server: StreamServer
  readonly complaints: string[]
  readonly onPeer: (stream: IncomingStream, first: Uint8Array) => void
  /** Before a request is answered. */
  readonly onRequest: () => void
}

/** A node that answers each request with `ANSWER_BYTES` bytes. */
async function startServer(context: TestContext, options: Partial<Started> = {}): Promise<number> {
  const { traffic = quietDoors().traffic, server: port = new TcpServer(), complaints = [], onPeer = () => {}, onRequest } = options
  const answer = new Uint8Array(ANSWER_BYTES)
  const server = new DataServer({
    clusterId: () => '0'.repeat(32),
    process: () => ({ group: 0, replica: 0, incarnation: { number: 0, nonce: '0'.repeat(16) }, boot: 1 }),
    epoch: () => 1,
    sliceDurationMs: () => 1000,
    clock: osClock,
    server: port,
    submit: (request) => {
      onRequest?.()
      request.reply(0, answer)
    },
    traffic,
    complain: (source, what, fields) => complaints.push(`${source}: ${what}: ${String(fields.message ?? '')}`),
    onPeer,
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

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pass()
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
  const server = new TcpServer()
  const { listen } = server
  server.listen = (address, onStream) => {
    const refusing = (stream: IncomingStream): void => {
      stream.take = () => {
        stream.close()
        throw new Error('no descriptor is left')
      }
      onStream(stream)
    }
    return listen.call(server, address, refusing)
  }
  const socket = await dial(context, await startServer(context, { server }))
  const closed = once(socket, 'close')
  socket.write(helloBytes())
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
  // Before the server: what its clock begins is ended there, too.
  context.mock.timers.enable({ apis: ['setInterval'] })
  const port = await startServer(context)
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

test('whoever drips the first bytes is cut off in time, whatever they would be', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const complaints: string[] = []
  const port = await startServer(context, { complaints })
  const sockets = await Promise.all([dial(context, port), dial(context, port), dial(context, port)])
  const closed = sockets.map((socket) => once(socket.resume(), 'close'))
  const [silent, dripping, http] = sockets as [Socket, Socket, Socket]
  assert.ok(silent.writable)
  dripping.write(Uint8Array.of(40, 0))
  http.write('GET / HTTP/1.1\r\n')
  for (let steps = 4; steps > 0; steps--) {
    await turns(20)
    context.mock.timers.tick(HELLO_TIMEOUT_MS / 4)
    dripping.write(Uint8Array.of(0))
  }
  await turns(50)
  context.mock.timers.tick(HELLO_TIMEOUT_MS)
  await Promise.all(closed)
  assert.equal(complaints.filter((line) => line.includes('no hello came')).length, 2)
})

test('strangers who say nothing keep nobody out: the oldest of them gives way', async (context) => {
  // Nobody is cut off for being late.
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const most = 8
  const traffic = new Traffic({ unfinishedBytes: 1024 ** 2, untakenBytes: 1024 ** 2, connections: most })
  assert.ok(most < MAX_ARRIVALS)
  const port = await startServer(context, { traffic })
  const strangers: Socket[] = []
  for (let i = 0; i < 3 * most; i++) {
    const socket = await dial(context, port)
    socket.resume().write(Uint8Array.of(40))
    strangers.push(socket)
  }
  const client = await greeted(context, port)
  await turns(200)
  assert.ok(strangers.filter(({ closed }) => closed).length >= 2 * most)
  assert.equal(strangers[0]?.closed, true)
  assert.equal(strangers.at(-1)?.closed, false)
  assert.equal(client.closed, false)
  // The server needs its own at the end.
  context.mock.timers.reset()
})

test('when there are as many clients as may be, one source does not push its own out', async (context) => {
  const traffic = new Traffic({ unfinishedBytes: 1024 ** 2, untakenBytes: 1024 ** 2, connections: 3 })
  const port = await startServer(context, { traffic })
  const kept = [await greeted(context, port), await greeted(context, port), await greeted(context, port)]
  const refused = await dial(context, port)
  const goodbye = goodbyeOf(refused)
  refused.write(helloBytes())
  assert.match(await goodbye, /too many connections/)
  for (const socket of kept) assert.equal(socket.closed, false)
  kept[0]?.destroy()
  await until(() => traffic.connections.total === 2)
  await greeted(context, port)
})

test('unfinished frames of all connections stay within the bound; a client that goes on is served', async (context) => {
  const traffic = new Traffic({ unfinishedBytes: 16 * 1024 ** 2, untakenBytes: 64 * 1024 ** 2, connections: 1000 })
  const port = await startServer(context, { traffic })
  const honest = await greeted(context, port)
  let mostBytes = 0
  const announced = new Uint8Array(5)
  new DataView(announced.buffer).setUint32(0, 8 * 1024 ** 2, true)
  announced[4] = FrameType.requests
  const ends: string[] = []
  for (let i = 0; i < 20; i++) {
    const socket = await greeted(context, port)
    void goodbyeOf(socket).then((message) => ends.push(message))
    socket.write(announced)
    socket.write(new Uint8Array(4 * 1024 ** 2))
    await until(() => ends.length > 0 || traffic.unfinished.bytes >= (i + 1) * 4 * 1024 ** 2)
    mostBytes = Math.max(mostBytes, traffic.unfinished.bytes)
  }
  await until(() => ends.length >= 10)
  assert.ok(mostBytes <= 16 * 1024 ** 2, `${mostBytes} bytes were held`)
  assert.match(ends[0] as string, /unfinished frames of all connections take more than 16777216 bytes/)
  const answered = once(honest, 'data')
  honest.write(emptyRequests(1))
  await answered
})

test('what clients have not taken stays within the bound, all of them together', async (context) => {
  const traffic = new Traffic({ unfinishedBytes: 1024 ** 2, untakenBytes: 20 * 1024 ** 2, connections: 1000 })
  const complaints: string[] = []
  const port = await startServer(context, { traffic, complaints })
  let mostBytes = 0
  for (let i = 0; i < 12; i++) {
    const socket = await greeted(context, port)
    socket.pause()
    socket.write(emptyRequests(ANSWERS))
    await turns(50)
    mostBytes = Math.max(mostBytes, traffic.untaken.total)
  }
  await until(() => complaints.some((line) => line.includes('does not read its responses')))
  assert.ok(mostBytes > 0 && mostBytes <= 20 * 1024 ** 2, `${mostBytes} bytes were held`)
})

test('a client that takes nothing hears that it has too much, and is served once it has taken that', async (context) => {
  const traffic = new Traffic({ unfinishedBytes: 1024 ** 2, untakenBytes: 32 * 1024 ** 2, connections: 10 })
  const socket = await greeted(context, await startServer(context, { traffic }))
  const answers: number[] = []
  const decoder = new FrameDecoder(new ByteReader(), (type, reader) => {
    if (type !== FrameType.responses) return
    reader.skip(4)
    for (let left = reader.u16(); left > 0; left--) {
      reader.skip(4)
      answers.push(reader.u8())
      reader.skip(reader.u32())
    }
  })
  socket.pause()
  const asked = 100
  socket.write(emptyRequests(asked))
  await until(() => traffic.untaken.total > 0)
  assert.ok(traffic.untaken.total <= traffic.untakenPerConnection, `${traffic.untaken.total} bytes`)
  socket.on('data', (chunk: Buffer) => decoder.push(chunk))
  socket.resume()
  await until(() => answers.length === asked)
  const given = answers.filter((error) => error === 0).length
  assert.deepEqual(new Set(answers), new Set([0, ERRORS.overloaded.number]))
  assert.ok(given * ANSWER_BYTES > traffic.untakenPerConnection / 2, `${given} were given`)
  await until(() => traffic.untaken.total === 0)
  socket.write(emptyRequests(1))
  await until(() => answers.length === asked + 1)
  assert.equal(answers.at(-1), 0)
})

test('what one turn makes for many who take nothing is bounded, also what those had who are closed in it', async (context) => {
  const traffic = new Traffic({ unfinishedBytes: 1024 ** 2, untakenBytes: 32 * 1024 ** 2, connections: 1000 })
  let most = 0
  const onRequest = (): void => {
    most = Math.max(most, traffic.untaken.total + traffic.leavingBytes)
  }
  const port = await startServer(context, { traffic, onRequest })
  const sockets = await Promise.all(Array.from({ length: 40 }, () => greeted(context, port)))
  // All of it is read in one turn of the event loop, or in few.
  for (const socket of sockets) {
    socket.pause()
    socket.write(emptyRequests(ANSWERS))
  }
  await until(() => traffic.untaken.cuts > 0)
  await turns(50)
  assert.ok(most <= 32 * 1024 ** 2 + traffic.mostLeavingBytes + ANSWER_BYTES, `${most} bytes were held`)
  await until(() => traffic.leavingBytes === 0)
})

test('a frame that drips is cut off, and what it held is let go of', async (context) => {
  const traffic = new Traffic({ unfinishedBytes: 1024 ** 2, untakenBytes: 1024 ** 2, connections: 10 })
  const socket = await greeted(context, await startServer(context, { traffic }))
  const goodbye = goodbyeOf(socket)
  socket.write(Uint8Array.of(200, 0, 0, 0, FrameType.requests))
  await until(() => traffic.unfinished.bytes > 0)
  for (let look = 0; look <= STALLED_LOOKS; look++) traffic.unfinished.look()
  assert.match(await goodbye, /a frame brought nothing more within 10 s/)
  assert.equal(traffic.unfinished.bytes, 0)
})
