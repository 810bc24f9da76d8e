import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Complaints, type Fields } from '../doors/complaints.ts'
import { Traffic } from '../doors/traffic.ts'
import { STALLED_LOOKS } from '../doors/unfinished-frames.ts'
import { allowedHosts } from './asked-host.ts'
import { createHttpApp } from './http-app.ts'
import { HTTP_HEAD_TIMEOUT_MS, MAX_HTTP_CONNECTIONS } from './http-traffic.ts'

const MIB = 1024 ** 2
const ANSWER = 'x'.repeat(8 * MIB)

async function start(t: TestContext) {
  const traffic = new Traffic({ unfinishedBytes: 2 * MIB, untakenBytes: 20 * MIB, connections: 10 })
  const lines: Fields[] = []
  const complaints = new Complaints(
    (what, fields) => lines.push({ what, ...fields }),
    () => () => {},
  )
  const { app, listen, close } = await createHttpApp({
    title: 'a test',
    description: '',
    version: () => '',
    doors: { traffic, complaints },
    hosts: allowedHosts('127.0.0.1:0', []),
    addRoutes: (routes) => {
      routes.put('/bytes', async (request) => ({ bytes: (request.body as Buffer).length }))
      routes.get('/large', async () => ANSWER)
      routes.get('/bug', async () => {
        throw new TypeError('as the test says')
      })
    },
  })
  t.after(close)
  const port = Number((await listen('127.0.0.1:0')).split(':').at(-1))
  const url = `http://127.0.0.1:${port}`
  return { app, url, traffic, lines, dial: () => dial(t, port) }
}

async function dial(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

const head = (bytes: number) => `PUT /bytes HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${bytes}\r\n\r\n`

test('bodies that are not whole stay within the bound of the node; whole ones are served', async (t) => {
  const { url, traffic, dial } = await start(t)
  const answers: string[] = []
  for (let i = 0; i < 12; i++) {
    const socket = await dial()
    socket.on('data', (chunk: Buffer) => answers.push(chunk.toString()))
    socket.write(head(MIB))
    socket.write(Buffer.alloc(MIB / 2))
    await until(() => answers.length > 0 || traffic.unfinished.bytes >= ((i + 1) * MIB) / 2)
    assert.ok(traffic.unfinished.bytes <= 2 * MIB, `${traffic.unfinished.bytes} bytes are held`)
  }
  await until(() => answers.length >= 8)
  assert.match(answers[0] as string, /^HTTP\/1\.1 429 .*retry-after: 1.*"code":"overloaded".*unfinished frames of all connections/s)
  const whole = await fetch(`${url}/bytes`, { method: 'PUT', body: Buffer.alloc(MIB) })
  assert.deepEqual(await whole.json(), { bytes: MIB })
})

test('a body that brings nothing more is refused, and a longer one than allowed is before it has come', async (t) => {
  const { traffic, dial } = await start(t)
  const socket = await dial()
  socket.write(head(100))
  socket.write('some')
  await until(() => traffic.unfinished.bytes > 0)
  for (let look = 0; look <= STALLED_LOOKS; look++) traffic.unfinished.look()
  const [stalled] = (await once(socket, 'data')) as [Buffer]
  assert.match(stalled.toString(), /^HTTP\/1\.1 503 .*brought nothing more/s)
  assert.equal(traffic.unfinished.bytes, 0)

  const announcing = await dial()
  announcing.write(head(MIB + 1))
  const [refused] = (await once(announcing, 'data')) as [Buffer]
  assert.match(refused.toString(), /^HTTP\/1\.1 413 /)

  const chunked = await dial()
  chunked.write('PUT /bytes HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n')
  for (let i = 0; i < 5; i++) {
    chunked.write(`${(MIB / 4).toString(16)}\r\n`)
    chunked.write(Buffer.alloc(MIB / 4))
    chunked.write('\r\n')
  }
  const [tooLong] = (await once(chunked, 'data')) as [Buffer]
  assert.match(tooLong.toString(), /^HTTP\/1\.1 413 /)
})

test('answers that nobody takes stay within the bound of the node', async (t) => {
  const { traffic, dial } = await start(t)
  const sockets: Socket[] = []
  for (let i = 0; i < 5; i++) {
    const socket = await dial()
    sockets.push(socket.pause())
    const before = traffic.untaken.total + traffic.untaken.cuts
    socket.write('GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await until(() => traffic.untaken.total + traffic.untaken.cuts !== before)
    assert.ok(traffic.untaken.total <= 20 * MIB)
  }
  assert.equal(traffic.untaken.cuts, 3)
  for (const socket of sockets) socket.destroy()
  await until(() => traffic.untaken.total === 0)
})

test('who opens too many connections loses the oldest of them, and nobody is kept out', async (t) => {
  const { url, lines, dial } = await start(t)
  const sockets: Socket[] = []
  for (let i = 0; i < MAX_HTTP_CONNECTIONS; i++) sockets.push((await dial()).resume())
  assert.equal((await fetch(`${url}/large`)).status, 200)
  await until(() => sockets[0]?.closed === true)
  assert.equal(sockets.at(-1)?.closed, false)
  assert.ok(lines.some(({ what }) => what === 'an HTTP connection was closed: there are too many'))
})

test('the head of a request has to be whole in time', async (t) => {
  const { dial } = await start(t)
  const socket = await dial()
  const beganMs = performance.now()
  socket.resume().write('GET /large HTTP/1.1\r\n')
  const drip = setInterval(() => socket.write('a'), 200)
  t.after(() => clearInterval(drip))
  await once(socket, 'close')
  assert.ok(performance.now() - beganMs >= HTTP_HEAD_TIMEOUT_MS - 100)
})

test('who sends what is malformed, or finds a bug, makes few lines in the log', async (t) => {
  const { url, lines, dial } = await start(t)
  for (let i = 0; i < 50; i++) {
    const socket = await dial()
    socket.resume().write('no HTTP\r\n\r\n')
    await once(socket, 'close')
    assert.equal((await fetch(`${url}/bug`)).status, 500)
  }
  assert.equal(lines.length, 1)
  assert.equal(lines[0]?.remote, '127.0.0.1')
})
