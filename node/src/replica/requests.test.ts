import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ByteWriter,
  blockOf,
  ERRORS,
  encodeSeries,
  errorCodeOf,
  Operation,
  putOp,
  writeGetBody,
  writeWriteBody,
} from '@thermocline/protocol'
import { ask } from '../doors/ask.fixture.ts'
import type { PendingWrite } from '../paxos/pending.ts'
import type { PendingRead } from '../paxos/pending-read.ts'
import type { Load } from './admission.ts'
import { Requests, type RequestsOptions } from './requests.ts'

const SERIES = encodeSeries('greetings')
const MAX_READ_BYTES = 100
const MAX_ANSWERS = 7

function getBody(): Uint8Array {
  const w = new ByteWriter(64)
  writeGetBody(w, SERIES, [{ ms: 1, seq: 0 }])
  return w.copy()
}

function writeBody(): Uint8Array {
  const w = new ByteWriter(256)
  writeWriteBody(w, new Uint8Array(16), 1, SERIES, putOp({ ms: 1, seq: 0 }, new Uint8Array(10)))
  return w.copy()
}

/** A replica that takes everything on and answers nothing by itself. */
function fixture() {
  const reads: PendingRead[] = []
  const writes: PendingWrite[] = []
  const sent: { replica: number; id: number; error: number }[] = []
  const link = {}
  const peers = {
    all: [undefined, { link }],
    isNewForward: () => true,
    now: (replica: number) => ({ replica }),
    messages: { forwardAnswer: (out: { replica: number }, id: number, error: number) => sent.push({ replica: out.replica, id, error }) },
  }
  const world = { answers: 0, votes: true, wanted: [] as number[] }
  const load = (): Load => ({
    writes: requests.waitingWrites,
    writeBytes: requests.waitingWriteBytes,
    reads: requests.waitingReads,
    readBytes: requests.waitingReadBytes,
    syncWaitMs: 0,
    isDiskFull: false,
    isMemoryFull: false,
    answers: world.answers,
  })
  const requests: Requests = new Requests({
    core: { replica: 0, isActive: true, votes: { has: () => world.votes }, bestLive: () => 0, peek: () => undefined },
    peers,
    proposer: { submit: (write: PendingWrite) => writes.push(write) },
    reader: { submit: (read: PendingRead) => reads.push(read) },
    rejoin: { want: (block: number) => world.wanted.push(block) },
    limits: { maxWrites: 10, maxWriteBytes: 1e6, maxReads: 10, maxReadBytes: MAX_READ_BYTES, maxAnswers: MAX_ANSWERS },
    load,
    owns: (block: number) => block === blockOf(SERIES),
    epoch: () => 1,
    now: () => 1000.25,
    soon: () => {},
    isStopping: () => false,
  } as unknown as RequestsOptions)
  return { requests, reads, writes, peers, sent, world }
}

test('a request is handed on as it came, and counted until it is answered', () => {
  const { requests, reads, writes } = fixture()
  const answers: number[] = []
  const read = ask(Operation.get, getBody(), 500, (error) => answers.push(error))
  requests.submit(read)
  assert.equal(reads[0]?.request, read)
  assert.equal(reads[0]?.deadlineMs, 1501)
  assert.deepEqual([requests.waitingReads, requests.waitingReadBytes], [1, read.body.length])
  read.reply(0, new Uint8Array(0))
  assert.deepEqual([requests.waitingReads, requests.waitingReadBytes, answers], [0, 0, [0]])

  const write = ask(Operation.write, writeBody(), 1e9, (error) => answers.push(error))
  requests.submit(write)
  assert.equal(writes[0]?.request, write)
  assert.deepEqual([requests.waitingWrites, requests.waitingWriteBytes], [1, write.body.length])
  writes[0]?.answer(0, new Uint8Array(0))
  writes[0]?.answer(0, new Uint8Array(0))
  assert.deepEqual([requests.waitingWrites, requests.waitingWriteBytes, answers], [0, 0, [0, 0]])
})

test('reads that wait are bounded by the bytes of their bodies', () => {
  const { requests, reads } = fixture()
  const codes: string[] = []
  for (let i = 0; i < 8; i++) {
    requests.submit(ask(Operation.get, getBody(), 500, (error) => codes.push(errorCodeOf(error))))
  }
  assert.ok(reads.length < 8 && requests.waitingReadBytes < MAX_READ_BYTES + getBody().length)
  assert.deepEqual(codes, new Array<string>(8 - reads.length).fill('overloaded'))
  for (const { request } of reads) request.reply(0, new Uint8Array(0))
  requests.submit(ask(Operation.get, getBody(), 500))
  assert.equal(requests.waitingReads, 1)
})

test('what a peer forwards is answered by the connection that it came by, or not at all', () => {
  const { requests, writes, peers, sent } = fixture()
  requests.takeForwarded(1, 77, 500, writeBody())
  requests.takeForwarded(1, 78, 500, writeBody())
  const [first, second] = writes as [PendingWrite, PendingWrite]
  assert.deepEqual([first.request.caller.door, first.request.caller.source], ['peer', 'replica 1'])
  first.answer(0, new Uint8Array(0))
  assert.deepEqual(sent, [{ replica: 1, id: 77, error: 0 }])
  peers.all[1] = { link: {} }
  second.answer(ERRORS.unknown.number, new Uint8Array(0))
  assert.equal(sent.length, 1)
  assert.equal(requests.waitingWrites, 0)
})

test('writes are refused while more answers are remembered than may be; reads go on', () => {
  const { requests, reads, writes, world } = fixture()
  world.answers = MAX_ANSWERS
  const answers: number[] = []
  requests.submit(ask(Operation.write, writeBody(), 500, (error) => answers.push(error)))
  requests.submit(ask(Operation.get, getBody(), 500))
  assert.deepEqual([answers, writes.length, reads.length], [[ERRORS.overloaded.number], 0, 1])
})

test('a replica that learns the block says so at once, of writes and reads, and learns it before others', () => {
  const { requests, reads, writes, world } = fixture()
  world.votes = false
  const answers: number[] = []
  requests.submit(ask(Operation.write, writeBody(), 500, (error) => answers.push(error)))
  requests.submit(ask(Operation.get, getBody(), 500, (error) => answers.push(error)))
  assert.deepEqual(answers, [ERRORS.unavailable.number, ERRORS.unavailable.number])
  assert.deepEqual([writes.length, reads.length, requests.waitingWrites, requests.waitingReads], [0, 0, 0, 0])
  assert.deepEqual(world.wanted, [blockOf(SERIES), blockOf(SERIES)])
})
