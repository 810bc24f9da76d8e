/**
 * Frames of clients, by real connections to a real data port, whose requests reach an engine. Whatever comes, only its own connection
 * ends, with a goodbye that says why; and a connection that behaves is answered.
 */
import assert from 'node:assert/strict'
import {
  ANY_CLUSTER,
  ByteReader,
  ByteWriter,
  beginFrame,
  endFrame,
  FrameDecoder,
  FrameType,
  HelloKind,
  MAX_BATCH_REQUESTS,
  Operation,
  readBatchHead,
  readGoodbye,
  readHelloOk,
  WIRE_VERSION,
  writeErrorBody,
  writeHello,
} from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import type { NodeRequest } from '../../src/doors/node-request.ts'
import { quietDoors } from '../../src/doors/quiet-doors.fixture.ts'
import type { OpenedEngine } from '../../src/engine/mod.ts'
import { getRequest } from '../../src/engine/model.ts'
import { NEEDS_IO } from '../../src/engine/port.ts'
import { osClock } from '../../src/io/os/clock.ts'
import { TcpServer } from '../../src/io/os/tcp-server.ts'
import { checkReadBody } from '../../src/kv/read-body.ts'
import { checkWriteBody } from '../../src/kv/write-body.ts'
import { DataServer } from '../../src/server/data-server.ts'
import { helloBytes } from '../../src/server/raw-client.fixture.ts'
import { checkEngine, openFilledEngine, READS } from './filled-engine.ts'
import { anyNumber, mutate, nearLimit, orWrong, someBytes } from './numbers.ts'
import type { Protocol, Target } from './protocol.ts'
import { bodyOf, NAMES, OPERATIONS } from './request-bodies.ts'
import { exchange } from './sockets.ts'

const FRAMES = 20
const INVALID = 1
/** Answers of the engine that do not fit are asked for again in a node; here they end. */
const ANSWER_BYTES = 1 << 20

function anyHello(random: Random): Uint8Array {
  const w = new ByteWriter(64)
  const version = orWrong(random, WIRE_VERSION, 16)
  const kind = orWrong(random, HelloKind.client, 8)
  writeHello(w, { version, kind, clusterId: random.chance(0.9) ? ANY_CLUSTER : random.hex(16), name: 'x'.repeat(random.below(300)) })
  return mutate(random, w.copy())
}

function anyRequests(random: Random): Uint8Array {
  const w = new ByteWriter(512)
  const at = beginFrame(w, FrameType.requests)
  const count = random.chance(0.001) ? nearLimit(random, MAX_BATCH_REQUESTS) : random.below(4)
  w.u32(anyNumber(random, 32))
  w.u16(orWrong(random, count, 16))
  for (let request = 0; request < count; request++) {
    const operation = orWrong(random, random.pick(OPERATIONS), 8)
    const body = count > 9 ? new Uint8Array(0) : bodyOf(random, operation)
    w.u32(anyNumber(random, 32))
    w.u32(anyNumber(random, 32))
    w.u8(operation)
    w.u32(orWrong(random, body.length, 32))
    w.put(body)
  }
  endFrame(w, at)
  return w.copy()
}

/** A frame of a client, or of somebody who is none. */
function anyFrame(random: Random): Uint8Array {
  if (random.chance(0.9)) return mutateSeldom(random, anyRequests(random))
  if (random.chance(0.3)) return anyHello(random)
  const w = new ByteWriter(128)
  const at = beginFrame(w, random.chance(0.7) ? random.pick(Object.values(FrameType)) : anyNumber(random, 8))
  w.put(someBytes(random, random.below(60)))
  endFrame(w, at)
  w.patchU32(at, orWrong(random, w.view.getUint32(at, true), 32))
  return w.copy()
}

/** What ends the connection keeps the frames behind it from being read. */
const mutateSeldom = (random: Random, bytes: Uint8Array): Uint8Array => (random.chance(0.1) ? mutate(random, bytes) : bytes)

class DataPort implements Target {
  private readonly random: Random
  private readonly engine: OpenedEngine
  private readonly server: DataServer
  private readonly out = new Uint8Array(ANSWER_BYTES)
  private port = 0

  constructor(random: Random, engine: OpenedEngine) {
    this.random = random
    this.engine = engine
    this.server = new DataServer({
      clusterId: () => 'ab'.repeat(16),
      process: () => ({ group: 0, replica: 0, incarnation: { number: 0, nonce: '0'.repeat(16) }, boot: 1 }),
      epoch: () => 1,
      sliceDurationMs: () => 1000,
      submit: (request) => this.answer(request),
      traffic: quietDoors().traffic,
      complain: () => {},
      clock: osClock,
      server: new TcpServer(),
      onPeer: (stream) => stream.close(),
    })
  }

  async listen(): Promise<this> {
    const address = await this.server.listen('127.0.0.1:0')
    this.port = Number(address.split(':').at(-1))
    return this
  }

  private answer(request: NodeRequest): void {
    const { operation, body } = request
    const name = READS[operation]
    const verdict = name === undefined ? 'not read here' : checkReadBody(operation, body)
    if (operation === Operation.write) checkWriteBody(body)
    const length =
      name === undefined || typeof verdict === 'string' ? NEEDS_IO : this.engine[name](verdict, body, 0, body.length, this.out, 0)
    if (length >= 0) {
      request.reply(0, this.out.subarray(0, length))
      return
    }
    const w = new ByteWriter(64)
    writeErrorBody(w, { index: 0, argument: 0, message: String(verdict) })
    request.reply(INVALID, w.written())
  }

  /** What comes back are whole frames of a node. */
  private static read(bytes: Uint8Array): { responses: number; goodbyes: number } {
    const seen = { responses: 0, goodbyes: 0 }
    const decoder = new FrameDecoder(new ByteReader(), (type, reader) => {
      if (type === FrameType.helloOk) readHelloOk(reader)
      else if (type === FrameType.goodbye) {
        assert.ok(readGoodbye(reader).message.length > 0)
        seen.goodbyes++
      } else {
        assert.equal(type, FrameType.responses)
        for (let { count } = readBatchHead(reader); count > 0; count--) {
          reader.skip(5)
          reader.skip(reader.u32())
          seen.responses++
        }
        reader.finish('responses')
      }
    })
    decoder.push(bytes)
    return seen
  }

  async run(): Promise<void> {
    const { random } = this
    const pieces = [random.chance(0.95) ? helloBytes() : anyHello(random)]
    for (let frame = 0; frame < FRAMES; frame++) {
      const bytes = anyFrame(random)
      const cut = random.chance(0.3) ? random.below(bytes.length + 1) : bytes.length
      pieces.push(bytes.subarray(0, cut), bytes.subarray(cut))
    }
    const { goodbyes } = DataPort.read(
      await exchange(
        this.port,
        pieces.filter(({ length }) => length > 0),
      ),
    )
    assert.ok(goodbyes <= 1)
  }

  async check(): Promise<void> {
    const w = new ByteWriter(128)
    const at = beginFrame(w, FrameType.requests)
    const body = getRequest(NAMES[0] as Uint8Array, [1n << 16n])
    w.u32(1)
    w.u16(1)
    w.u32(7)
    w.u32(1000)
    w.u8(Operation.get)
    w.u32(body.length)
    w.put(body)
    endFrame(w, at)
    const { responses } = DataPort.read(await exchange(this.port, [helloBytes(), w.copy()]))
    assert.equal(responses, 1, 'a connection that behaves is not answered')
    await checkEngine(this.engine)
  }

  async close(): Promise<void> {
    await this.server.close()
    await this.engine.close()
  }
}

export const dataPort: Protocol = {
  name: 'data-port',
  weight: 10,
  inputsPerRun: FRAMES,
  runsPerEpisode: 500,
  open: async (random) => new DataPort(random, await openFilledEngine()).listen(),
}
