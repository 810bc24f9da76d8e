import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { ByteStreamEvents } from '../ports.ts'
import { TcpStream } from './tcp-stream.ts'

class Heard implements ByteStreamEvents {
  readonly chunks: Uint8Array[] = []
  drained = 0
  reasons: string[] = []
  private wake = () => {}

  onData(bytes: Uint8Array): void {
    this.chunks.push(bytes)
    this.wake()
  }

  onDrain(): void {
    this.drained++
    this.wake()
  }

  onClose(reason: string): void {
    this.reasons.push(reason)
    this.wake()
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
  }
}

/** A stream, what it hears, and the socket at the other end. */
async function pair(context: TestContext): Promise<{ stream: TcpStream; heard: Heard; other: Socket }> {
  const server = createServer({ noDelay: true })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const other = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  const heard = new Heard()
  const stream = new TcpStream(accepted, heard)
  other.on('error', () => {})
  context.after(() => {
    server.close()
    other.destroy()
    stream.close()
  })
  return { stream, heard, other }
}

/** Writes until the kernel takes no more, and as much again. @returns the bytes. */
function overfill(stream: TcpStream): number {
  const part = new Uint8Array(1_000_000)
  let sent = 0
  for (; stream.unsentBytes < part.length; sent += part.length) stream.write(part)
  return sent
}

function receivedBy(socket: Socket): () => number {
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  return () => received
}

test('bytes travel both ways; what was read stays as it is when more comes', async (context) => {
  const { stream, heard, other } = await pair(context)
  other.write('first ')
  await heard.until(() => heard.text === 'first ')
  other.write('second')
  await heard.until(() => heard.text === 'first second')
  const answer = Buffer.from('answer')
  stream.write(answer)
  answer.fill(0)
  const [got] = (await once(other, 'data')) as [Buffer]
  assert.equal(got.toString(), 'answer')
})

test('streams that are read in one turn get each their own', async (context) => {
  const pairs = await Promise.all(Array.from({ length: 20 }, () => pair(context)))
  for (const [at, { other }] of pairs.entries()) other.write(String(at).repeat(1000))
  for (const [at, { heard }] of pairs.entries()) {
    const wanted = String(at).repeat(1000)
    await heard.until(() => heard.text.length >= wanted.length)
    assert.equal(heard.text, wanted)
  }
})

test('more than a turn takes comes whole, in order', async (context) => {
  const { heard, other } = await pair(context)
  const sent = Buffer.alloc(5_000_000)
  for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at)
  other.write(sent)
  await heard.until(() => heard.chunks.reduce((sum, { length }) => sum + length, 0) === sent.length)
  assert.ok(Buffer.concat(heard.chunks).equals(sent))
})

test('what the kernel does not take waits, and drains once it is read', async (context) => {
  const { stream, heard, other } = await pair(context)
  other.pause()
  const sent = overfill(stream)
  const received = receivedBy(other)
  other.resume()
  await heard.until(() => heard.drained > 0)
  assert.equal(stream.unsentBytes, 0)
  while (received() < sent) await once(other, 'data')
  assert.equal(received(), sent)
})

test('while it is paused nothing is read; then all of it', async (context) => {
  const { stream, heard, other } = await pair(context)
  stream.pause()
  other.write('kept')
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(heard.text, '')
  stream.resume()
  await heard.until(() => heard.text === 'kept')
})

test('the other side ends: what was unsent still goes out, then it is closed', async (context) => {
  const { stream, heard, other } = await pair(context)
  other.pause()
  const sent = overfill(stream)
  other.end()
  const received = receivedBy(other)
  other.resume()
  await once(other, 'close')
  await heard.until(() => heard.reasons.length > 0)
  assert.equal(received(), sent)
  assert.deepEqual(heard.reasons, ['the other side has closed the connection'])
  stream.write(Buffer.from('too late'))
})

test('the other side breaks off: closed, with the reason', async (context) => {
  const { heard, other } = await pair(context)
  other.resetAndDestroy()
  await heard.until(() => heard.reasons.length > 0)
  assert.deepEqual(heard.reasons, ['connection reset by peer'])
})

test('a write to one that has broken off while it was paused closes it', async (context) => {
  const { stream, heard, other } = await pair(context)
  stream.pause()
  other.resetAndDestroy()
  while (heard.reasons.length === 0) {
    stream.write(new Uint8Array(10))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.equal(heard.reasons.length, 1)
})

test('closing soon sends what is unsent; closing at once is told once, in a later turn', async (context) => {
  const soon = await pair(context)
  soon.other.pause()
  const sent = overfill(soon.stream)
  soon.stream.closeSoon()
  const received = receivedBy(soon.other)
  soon.other.resume()
  await once(soon.other, 'end')
  assert.equal(received(), sent)

  const atOnce = await pair(context)
  atOnce.stream.close('enough')
  atOnce.stream.close('again')
  assert.deepEqual(atOnce.heard.reasons, [])
  await atOnce.heard.until(() => atOnce.heard.reasons.length > 0)
  assert.deepEqual(atOnce.heard.reasons, ['enough'])
})

test('after its end it says nothing more, and still reads', async (context) => {
  const { stream, heard, other } = await pair(context)
  stream.write(Buffer.from('last'))
  stream.end()
  let got = ''
  other.on('data', (chunk: Buffer) => {
    got += chunk.toString()
  })
  other.once('end', () => other.write('goodbye'))
  await once(other, 'end')
  assert.equal(got, 'last')
  await heard.until(() => heard.text === 'goodbye')
})
