import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientStream } from '@thermocline/client/internal'
import type { ByteStream } from '../../src/io/ports.ts'
import { Scheduler } from './scheduler.ts'
import { type Host, SimStreams } from './streams.ts'

const WINDOW_BYTES = 64

/** A client and a server that are connected, and what each has been told. */
class Connected {
  readonly scheduler = new Scheduler(5)
  readonly streams = new SimStreams(this.scheduler, { split: 0.5, slow: 0.1, slowestMs: 50, windowBytes: WINDOW_BYTES })
  readonly toServer: number[] = []
  readonly toClient: number[] = []
  readonly ends: string[] = []
  drains = 0
  isServerAlive = true
  client!: ClientStream
  server!: ByteStream

  async open(): Promise<this> {
    const host: Host = { name: 'server', isAlive: () => this.isServerAlive }
    await this.streams.server(host).listen('server:1', (stream) => {
      this.server = stream.take({
        onData: (bytes) => this.toServer.push(...bytes),
        onDrain: () => this.drains++,
        onClose: () => this.ends.push('server'),
      })
    })
    this.client = this.streams.open({ name: 'client', isAlive: () => true }, 'server:1', {
      onOpen: () => {},
      onData: (bytes) => this.toClient.push(...bytes),
      onClose: () => this.ends.push('client'),
    })
    await this.run(10)
    return this
  }

  run(ms: number): Promise<void> {
    return this.scheduler.run(this.scheduler.nowMs + ms)
  }
}

test('bytes arrive in order, both ways, in other pieces than they were sent in', async () => {
  const { scheduler, streams, client, server, toServer, toClient } = await new Connected().open()
  const sent: number[] = []
  for (let piece = 0; piece < 200; piece++) {
    const bytes = Uint8Array.from({ length: 1 + scheduler.random.below(30) }, () => scheduler.random.below(256))
    sent.push(...bytes)
    client.write(bytes)
    server.write(bytes)
    // What was written may change at once.
    bytes.fill(0)
    await scheduler.run(scheduler.nowMs + scheduler.random.between(0, 3))
  }
  await scheduler.run(scheduler.nowMs + 1000)
  assert.deepEqual(toServer, sent)
  assert.deepEqual(toClient, sent)
  assert.ok(streams.hits.split > 0 && streams.hits.joined > 0 && streams.hits.slow > 0)
})

test('what is more than the window is unsent until the other side has taken some', async () => {
  const connected = await new Connected().open()
  const { server } = connected
  server.write(new Uint8Array(3 * WINDOW_BYTES))
  assert.equal(server.unsentBytes, 2 * WINDOW_BYTES)
  await connected.run(1000)
  assert.equal(server.unsentBytes, 0)
  assert.equal(connected.drains, 1)
})

test('bytes that are cut off wait, and arrive when that is over', async () => {
  const connected = await new Connected().open()
  connected.streams.cut('client', 'server', 500)
  connected.client.write(Uint8Array.of(1, 2, 3))
  connected.server.write(Uint8Array.of(4))
  await connected.run(400)
  assert.deepEqual([connected.toServer, connected.toClient], [[], [4]])
  await connected.run(400)
  assert.deepEqual(connected.toServer, [1, 2, 3])
})

test('what was written before a close arrives, then both sides hear of it', async () => {
  const connected = await new Connected().open()
  connected.server.write(new Uint8Array(100).fill(7))
  connected.server.close()
  await connected.run(1000)
  assert.equal(connected.toClient.length, 100)
  assert.deepEqual(connected.ends, ['server', 'client'])
})

test('a process that has ended is told nothing more, and the other side notices', async () => {
  const connected = await new Connected().open()
  connected.client.write(Uint8Array.of(1))
  connected.isServerAlive = false
  connected.streams.reset(() => true)
  await connected.run(5000)
  assert.deepEqual([connected.toServer, connected.ends], [[], ['client']])
  connected.streams.open({ name: 'client', isAlive: () => true }, 'server:1', {
    onOpen: () => assert.fail('nobody listens'),
    onData: () => {},
    onClose: (reason) => connected.ends.push(reason),
  })
  await connected.run(10)
  assert.deepEqual(connected.ends, ['client', 'connection refused'])
})
