import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { SocketWriter } from './socket-writer.ts'

const TOTAL_BYTES = 24 * 1024 * 1024

async function withPair(use: (near: Socket, far: Socket) => Promise<void>): Promise<void> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [near] = (await once(server, 'connection')) as [Socket]
  try {
    await use(near, far)
  } finally {
    near.destroy()
    far.destroy()
    server.close()
  }
}

test('bytes arrive in order though the buffer is reused and the reader stalls', () =>
  withPair(async (near, far) => {
    far.pause()
    const writer = new SocketWriter(near)
    const buffer = new Uint8Array(70_000)
    let sent = 0
    let hasWaited = false
    for (let round = 0; sent < TOTAL_BYTES; round++) {
      const part = buffer.subarray(0, 1 + ((round * 7919) % buffer.length))
      for (let i = 0; i < part.length; i++) part[i] = (sent + i) % 251
      writer.send(part)
      sent += part.length
      hasWaited ||= near.writableLength > 0
    }
    assert.ok(hasWaited, 'the kernel took everything at once: the test shows nothing')
    let at = 0
    const arrived = Promise.withResolvers<void>()
    far.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte !== at++ % 251) arrived.reject(new Error(`byte ${at - 1} is ${byte}`))
      if (at === sent) arrived.resolve()
    })
    far.resume()
    await arrived.promise
  }))

test('a send on a socket that is gone fails as any write does', () =>
  withPair(async (near) => {
    const writer = new SocketWriter(near)
    near.on('error', () => {})
    near.destroy()
    writer.send(new Uint8Array(10))
    await once(near, 'close')
  }))
