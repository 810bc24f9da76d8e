/** A real memory node on a socket, before an engine that plays the storage tier: what hostile frames cost, and what a stop does. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from '@thermocline/client'
import { ByteReader, ByteWriter, FrameDecoder, FrameType, Operation, parseTopology, readGoodbye } from '@thermocline/protocol'
import { quietDoors } from '../../doors/quiet-doors.fixture.ts'
import { createMemoryStore, openEngine } from '../../engine/mod.ts'
import { getRequest } from '../../engine/model.ts'
import { osClock } from '../../io/os/clock.ts'
import { TcpServer } from '../../io/os/tcp-server.ts'
import { FUZZ_SEED, mutate, random } from '../../server/hostile-bytes.fixture.ts'
import { helloBytes, requestsFrame, writeRequest } from '../../server/raw-client.fixture.ts'
import { openTier } from '../../tier/tier.ts'
import { readMemoryConfig } from './config.ts'
import { fetchHotPagesBy } from './hot-pages.ts'
import { MemoryNode } from './memory-node.ts'

const CLUSTER_ID = 'ab'.repeat(16)
const FRAMES = 20_000
const FRAMES_PER_CONNECTION = 10
const COUNT_AT = 5

const topology = parseTopology({
  formatVersion: 1,
  clusterId: CLUSTER_ID,
  epoch: 1,
  groups: [
    {
      group: 0,
      replicas: [{ replica: 0, data: '127.0.0.1:1', http: '127.0.0.1:1', incarnation: { number: 0, nonce: '0'.repeat(16) } }],
    },
  ],
})
const engine = openEngine(
  { sliceDurationMs: 1000, memtableBytes: 1 << 20, blockCacheBytes: 1 << 20, versionCacheBytes: 16 << 10, incarnation: 't' },
  createMemoryStore(),
)
const answer = new Uint8Array(1 << 20)

/** As much of a client as a memory node uses; the engine, which is empty, answers at once. */
const storage: Pick<Client, 'topology' | 'watchTopology' | 'validate' | 'close'> = {
  topology: () => topology,
  watchTopology: async function* () {},
  validate: async (body) => {
    const count = (body[COUNT_AT] as number) | ((body[COUNT_AT + 1] as number) << 8)
    return answer.slice(0, engine.validate(body, 0, body.length, new Float64Array(count), count, answer))
  },
  close: () => Promise.resolve(),
}

async function start(nowMs = osClock.nowMs): Promise<MemoryNode> {
  const flags = ['--role', 'memory', '--cluster', CLUSTER_ID, '--storage', '127.0.0.1:1', '--listen', '127.0.0.1:0', '--cache', '32MiB']
  const ignore = (): void => {}
  const node = new MemoryNode(readMemoryConfig([...flags, '--cache-dir', ''], {}), {
    clock: { ...osClock, nowMs },
    randomHex: (bytes) => '1'.repeat(2 * bytes),
    server: new TcpServer(),
    openTier,
    fetchHotPages: fetchHotPagesBy(osClock),
    ...quietDoors(),
    connect: () => Promise.resolve(storage as Client),
    log: { info: ignore, warn: ignore },
  })
  await node.start()
  return node
}

const crashes: unknown[] = []
const onCrash = (error: unknown): void => {
  crashes.push(error)
}
before(() => process.on('uncaughtException', onCrash))
after(async () => {
  process.off('uncaughtException', onCrash)
  await engine.close()
})

/** A client that says hello and keeps what it is told. */
class Asker {
  readonly responses: { correlation: number; error: number }[] = []
  goodbye: string | undefined
  readonly socket: Socket

  constructor(node: MemoryNode) {
    this.socket = connect({ host: '127.0.0.1', port: Number(node.dataAddress.split(':').at(-1)), noDelay: true })
    const decoder = new FrameDecoder(new ByteReader(), (type, reader) => this.take(type, reader))
    this.socket.on('data', (chunk: Buffer) => decoder.push(chunk))
    this.socket.on('error', () => {})
    this.socket.write(helloBytes())
  }

  private take(type: number, reader: ByteReader): void {
    if (type === FrameType.goodbye) this.goodbye = readGoodbye(reader).code
    if (type !== FrameType.responses) return
    reader.skip(4)
    for (let left = reader.u16(); left > 0; left--) {
      this.responses.push({ correlation: reader.u32(), error: reader.u8() })
      reader.skip(reader.u32())
    }
  }

  /** The next responses, so many of them. */
  async answers(count: number): Promise<{ correlation: number; error: number }[]> {
    while (this.responses.length < count) await once(this.socket, 'data')
    return this.responses.splice(0, count).toSorted((a, b) => a.correlation - b.correlation)
  }
}

/** Gets of pages that are not there, of so many series; `change` may spoil the requests of the frame. */
function getsOf(count: number, change = (requests: Uint8Array) => requests, first = 1): Uint8Array {
  const requests = new ByteWriter(1024)
  for (let correlation = first; correlation < first + count; correlation++) {
    writeRequest(requests, correlation, Operation.get, getRequest(`series-${correlation}`, [1n << 16n]))
  }
  return requestsFrame(count, change(requests.copy()))
}

const cutOff = (requests: Uint8Array): Uint8Array => requests.subarray(0, requests.length - 1)
const lengthened = (requests: Uint8Array): Uint8Array => Uint8Array.from([...requests, 0])

test('a malformed frame costs its connection, and nobody else anything', async () => {
  const node = await start()
  const witness = new Asker(node)
  for (const change of [cutOff, lengthened]) {
    const hostile = new Asker(node)
    hostile.socket.write(getsOf(3, change))
    await once(hostile.socket, 'end')
    assert.equal(hostile.goodbye, 'bad_frame')
    hostile.socket.destroy()
    witness.socket.write(getsOf(1))
    assert.deepEqual(await witness.answers(1), [{ correlation: 1, error: 0 }])
  }
  assert.deepEqual(crashes, [])
  // What came before the fault does not wait for ever.
  assert.equal(node.stats()?.waiting, 0)
  witness.socket.destroy()
  await node.stop()
})

test(`${FRAMES} hostile frames of gets close only their own connections (FUZZ_SEED=${FUZZ_SEED})`, async (context) => {
  const node = await start()
  const witness = new Asker(node)
  let goodbyes = 0
  let sent = 0
  const lanes = Array.from({ length: 8 }, async () => {
    while (sent < FRAMES) {
      sent += FRAMES_PER_CONNECTION
      const hostile = new Asker(node)
      for (let i = 0; i < FRAMES_PER_CONNECTION; i++) hostile.socket.write(getsOf(1 + random(4), i % 3 === 0 ? undefined : mutate))
      hostile.socket.end()
      await once(hostile.socket, 'close')
      if (hostile.goodbye !== undefined) goodbyes++
    }
  })
  await Promise.all(lanes)
  witness.socket.write(getsOf(1))
  assert.deepEqual(await witness.answers(1), [{ correlation: 1, error: 0 }])
  assert.deepEqual(crashes, [])
  assert.ok(goodbyes > sent / FRAMES_PER_CONNECTION / 2, `only ${goodbyes} connections were told why they ended`)
  context.diagnostic(`${sent} frames, ${node.stats()?.requests} requests were taken, ${goodbyes} connections ended with a goodbye`)
  witness.socket.destroy()
  await node.stop()
})

test('what gathers for a validation when the node stops is answered', async () => {
  const GATHERING = 32
  // The clock stands still: what gathers waits until it moves on.
  const stoodMs = osClock.nowMs()
  let hasStopped = false
  const node = await start(() => (hasStopped ? osClock.nowMs() : stoodMs))
  const asker = new Asker(node)
  // Once to fetch the pages, once to validate them: the next of that lane gathers.
  for (let turn = 0; turn < 2; turn++) {
    asker.socket.write(getsOf(GATHERING))
    await asker.answers(GATHERING)
  }
  asker.socket.write(getsOf(1))
  while (node.stats()?.waiting !== 1) await delay(1)
  // It has been looked at, and waits for a timer alone.
  await delay(20)
  assert.equal(node.stats()?.waiting, 1)
  const stopped = node.stop()
  hasStopped = true
  assert.deepEqual(await Promise.race([asker.answers(1), once(asker.socket, 'end')]), [{ correlation: 1, error: 0 }])
  await stopped
  asker.socket.destroy()
})
