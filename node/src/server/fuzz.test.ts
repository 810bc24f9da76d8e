/**
 * Hostile input, ≥ 100,000 of each kind: the decoders throw nothing but DecodeError, and a live port closes only the
 * connection that sent it, with a coded goodbye, while others go on. Inputs are mutations of valid frames, so that they
 * get past the first checks; the seed is printed, and FUZZ_SEED runs it again.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import {
  ByteReader,
  ByteWriter,
  DecodeError,
  FrameDecoder,
  FrameType,
  Operation,
  readBatchHead,
  readGoodbye,
  readHello,
} from '@thermocline/protocol'
import { quietDoors } from '../doors/quiet-doors.fixture.ts'
import { osClock } from '../io/os/clock.ts'
import { TcpServer } from '../io/os/tcp-server.ts'
import { checkReadBody } from '../kv/read-body.ts'
import { checkWriteBody } from '../kv/write-body.ts'
import { BlockSet } from '../paxos/block-set.ts'
import {
  beginPeerFrame,
  encodeNaming,
  endPeerFrame,
  readNaming,
  readPeerConfirm,
  readPeerConfirmed,
  readPeerGoodbye,
  readPeerHello,
} from '../paxos/frames.ts'
import { MessageWriter, type PeerHandler, readMessages } from '../paxos/messages.ts'
import { ProcessTable } from '../paxos/processes.ts'
import { DataServer } from './data-server.ts'
import { FUZZ_SEED, mutate, random } from './hostile-bytes.fixture.ts'
import { helloBytes, requestsFrame, writeRequest } from './raw-client.fixture.ts'

const INPUTS = 100_000
const INPUTS_PER_CONNECTION = 50

const processes = new ProcessTable()
const self = processes.intern({ group: 0, replica: 1, incarnation: { number: 0, nonce: '0'.repeat(16) }, boot: 1 })

function peerFrame(): Uint8Array {
  const w = new ByteWriter(512)
  const messages = new MessageWriter(processes, self)
  const entry = new Uint8Array(random(40))
  const naming = encodeNaming(1, new Map([[2, { number: 3, nonce: 'f'.repeat(16) }]]))
  beginPeerFrame(w, naming)
  messages.accept(w, 7, 3, 1, self, 2, self, 3, entry)
  messages.promise(w, 7, 3, 1, 1, self, self, 9, entry)
  messages.chosen(w, 7, 3, self, 3)
  const countAt = messages.entriesBegin(w, 7, 1, 3)
  messages.entry(w, self, 1, entry)
  messages.entriesEnd(w, countAt, 1, 5, 0)
  messages.readRound(w, 1, 1)
  messages.readRoundBlock(w, 7, 3)
  messages.batches.want(w, 4, [
    { block: 7, atLeast: 3, mustFlush: false },
    { block: 9, atLeast: 1, mustFlush: true },
  ])
  messages.batches.head(w, 4, [
    { block: 7, index: 3, valueProcess: self, valueCounter: 3 },
    { block: 9, index: 1, valueProcess: self, valueCounter: 4 },
  ])
  messages.batches.wantPart(w, 4, 0)
  messages.batches.part(w, 4, 0, 1, entry)
  messages.batches.gone(w, 5, true)
  messages.batches.drop(w, 6)
  const votes = new BlockSet()
  votes.add(7)
  messages.heartbeat(w, 5, 6, votes)
  messages.barrierEnd(w, messages.barrierAnswer(w, 2), 0, votes)
  messages.digestAnswer(w, 7, 3, '0123456789abcdef')
  endPeerFrame(w, 9, 1, naming)
  return w.copy()
}

const noHandler = new Proxy({} as PeerHandler, { get: () => () => undefined })

test(`decoders: ${INPUTS} mutated inputs throw nothing but DecodeError (FUZZ_SEED=${FUZZ_SEED})`, () => {
  let refused = 0
  const decoder = (): FrameDecoder =>
    new FrameDecoder(new ByteReader(), (type, reader) => {
      if (type === FrameType.hello) readHello(reader)
      else if (type === FrameType.goodbye) readGoodbye(reader)
      else if (type === FrameType.peerHello) readPeerHello(reader)
      else if (type === FrameType.peerGoodbye) readPeerGoodbye(reader)
      else if (type === FrameType.peerConfirm) readPeerConfirm(reader)
      else if (type === FrameType.peerConfirmed) readPeerConfirmed(reader)
      else if (type === FrameType.requests) readBatchHead(reader)
      else if (reader.remaining >= 14) {
        // Without the checksum, so that what it keeps out is met here.
        reader.skip(14)
        readNaming(reader, -1, () => {})
        readMessages(reader, processes, self, noHandler)
      }
    })
  const valid = peerFrame()
  for (let i = 0; i < INPUTS; i++) {
    const input = mutate(valid)
    if (input.length > 4 && random(2) === 0) new DataView(input.buffer).setUint32(0, input.length - 4, true)
    try {
      decoder().push(input)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      refused++
    }
    assert.ok(['string', 'object'].includes(typeof checkWriteBody(input)))
    assert.ok(['string', 'number'].includes(typeof checkReadBody(1 + random(5), input)))
  }
  assert.ok(refused > INPUTS / 20, `only ${refused} were refused: the mutations are too tame`)
})

test(`live port: ${INPUTS} hostile inputs close only their own connections (FUZZ_SEED=${FUZZ_SEED})`, async (context) => {
  const crashes: unknown[] = []
  let submitted = 0
  const server = new DataServer({
    clusterId: () => 'ab'.repeat(16),
    process: () => ({ group: 0, replica: 0, incarnation: { number: 0, nonce: '0'.repeat(16) }, boot: 1 }),
    epoch: () => 1,
    sliceDurationMs: () => 1000,
    submit: (request) => {
      const { operation, body } = request
      submitted++
      const verdict = operation === Operation.write ? checkWriteBody(body) : checkReadBody(operation, body)
      request.reply(typeof verdict === 'string' ? 1 : 0, new Uint8Array(8))
    },
    traffic: quietDoors().traffic,
    complain: () => {},
    clock: osClock,
    server: new TcpServer(),
    onPeer: (stream) => stream.close(),
  })
  const address = await server.listen('127.0.0.1:0')
  const port = Number(address.split(':').at(-1))
  const onCrash = (error: unknown): void => {
    crashes.push(error)
  }
  process.on('uncaughtException', onCrash)
  const witness = await greeted(port)
  let goodbyes = 0
  let sent = 0
  const lanes = Array.from({ length: 16 }, async () => {
    while (sent < INPUTS) {
      sent += INPUTS_PER_CONNECTION
      const ended = await attack(port)
      goodbyes += ended
    }
  })
  await Promise.all(lanes)
  assert.ok(await answers(witness), 'a connection that behaves is served all along')
  assert.deepEqual(crashes, [])
  assert.ok(goodbyes > sent / INPUTS_PER_CONNECTION / 2, `only ${goodbyes} connections were told why they ended`)
  context.diagnostic(`${sent} inputs, ${submitted} requests reached the node, ${goodbyes} connections ended with a coded goodbye`)
  process.off('uncaughtException', onCrash)
  witness.destroy()
  await server.close()
})

function requestFrame(): Uint8Array {
  const requests = new ByteWriter(128)
  const body = Uint8Array.from({ length: random(60) }, () => random(256))
  writeRequest(requests, random(1000), 1 + random(6), body)
  return requestsFrame(1, requests.copy())
}

async function greeted(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await once(socket, 'connect')
  socket.write(helloBytes())
  await once(socket, 'data')
  return socket
}

/** Sends a burst of inputs on one connection; 1 if it was ended by a coded goodbye. */
async function attack(port: number): Promise<number> {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  let goodbye = 0
  const decoder = new FrameDecoder(new ByteReader(), (type, reader) => {
    if (type !== FrameType.goodbye) return
    assert.ok(readGoodbye(reader).message.length > 0)
    goodbye = 1
  })
  socket.on('data', (chunk: Buffer) => decoder.push(chunk))
  if (random(8) > 0) socket.write(helloBytes())
  // The first of them is well-formed more often than not, so that the rest reaches deeper.
  for (let i = 0; i < INPUTS_PER_CONNECTION; i++) socket.write(i % 3 === 0 ? requestFrame() : mutate(requestFrame()))
  socket.end()
  const timer = setTimeout(() => socket.destroy(), 2000)
  await once(socket, 'close')
  clearTimeout(timer)
  return goodbye
}

async function answers(socket: Socket): Promise<boolean> {
  const answered = once(socket, 'data')
  socket.write(requestFrame())
  await answered
  return true
}
