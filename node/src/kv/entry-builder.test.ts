import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ByteReader,
  ByteWriter,
  blockOf,
  Condition,
  type Entry,
  ERRORS,
  encodeSeries,
  Operation,
  readEntry,
  VALUE_ID_BYTES,
  WriteKind,
} from '@thermocline/protocol'
import { type Caller, NodeRequest } from '../doors/node-request.ts'
import { type Engine, openEngine } from '../engine/mod.ts'
import { BlockState } from '../paxos/block-state.ts'
import { PendingWrite } from '../paxos/pending.ts'
import { EntryBuilder } from './entry-builder.ts'
import { checkWriteBody } from './write-body.ts'

const NOW = 1_700_000_000_000
const digestKey = () => new Uint8Array(16).fill(7)
const SERIES = encodeSeries('alice')
const BLOCK = blockOf(SERIES)

interface Op {
  kind?: number
  condition?: number
  version?: number
  id?: number
  value?: string
}

function builderOf(engine: Engine): EntryBuilder {
  return new EntryBuilder({
    engine,
    digestKey,
    wallClockMs: () => NOW,
    nowMs: () => 0,
    maxAnswers: 100,
    answerAgeMs: 60_000,
    resume: () => {},
  })
}

class Fixture {
  readonly engine: Engine = openEngine({
    sliceDurationMs: 1000,
    memtableBytes: 1e7,
    blockCacheBytes: 0,
    versionCacheBytes: 65536,
    incarnation: 'test',
  })
  readonly state = new BlockState(BLOCK)
  readonly builder = builderOf(this.engine)
  readonly answers = new Map<number, { error: number; body: Uint8Array }>()

  /** Puts a write into the queue; `request` is its id and token. */
  submit(request: number, ops: Op[], stamp = 0): void {
    const w = new ByteWriter(256)
    const id = w.claim(16)
    w.view.setUint32(id, request)
    w.u48(stamp)
    w.u16(SERIES.length)
    w.put(SERIES)
    w.u16(ops.length)
    for (const op of ops) {
      w.u8(op.kind ?? WriteKind.put)
      w.u8(op.condition ?? Condition.none)
      w.u48(op.version ?? 0)
      w.u32(0)
      w.u32(op.id ?? 0)
      const value = new TextEncoder().encode(op.value ?? '')
      w.u32(value.length)
      w.put(value)
    }
    const body = w.copy()
    const shape = checkWriteBody(body)
    assert.ok(typeof shape === 'object', String(shape))
    const caller: Caller = {
      door: 'client',
      source: 'a test',
      reply: (token, error, answer) => void this.answers.set(token, { error, body: answer }),
    }
    const asked = new NodeRequest(caller, request, Operation.write, body, 1000)
    this.state.queue.push(new PendingWrite(BLOCK, asked, shape, { arrivedMs: 0, deadlineMs: 1e9 }))
  }

  /** Builds an entry and applies it as the block's next. */
  decide(): Entry | undefined {
    const bytes = this.builder.build(this.state)
    if (bytes === undefined) return undefined
    const w = new ByteWriter(256)
    w.u32(1)
    w.u16(BLOCK)
    w.u48(this.state.chosen + 1)
    w.claim(VALUE_ID_BYTES)
    w.u8(0)
    w.u32(bytes.length)
    w.put(bytes)
    this.engine.apply(w.copy(), w.length, new Uint8Array(0))
    this.state.chosen++
    this.state.inFlight = []
    return readEntry(new ByteReader(bytes))
  }

  ids(entry: Entry | undefined): number[] {
    return (entry?.requests ?? []).map(({ requestId }) => Buffer.from(requestId).readUInt32BE())
  }
}

test('everything that waits goes into one entry', () => {
  const f = new Fixture()
  for (let i = 1; i <= 5; i++) f.submit(i, [{ id: i, value: 'x' }])
  assert.deepEqual(f.ids(f.decide()), [1, 2, 3, 4, 5])
  assert.equal(f.state.queue.length, 0)
})

test('an entry holds one operation per record; the next waits, and with it what is behind it', () => {
  const f = new Fixture()
  f.submit(1, [{ id: 7, value: 'first' }])
  f.submit(2, [{ id: 8 }, { id: 7, value: 'second' }])
  f.submit(3, [{ id: 9 }])
  assert.deepEqual(f.ids(f.decide()), [1])
  const second = f.decide()
  assert.deepEqual(f.ids(second), [2, 3])
  assert.deepEqual(
    second?.requests[0]?.ops.map((op) => [op.oldExists, op.oldSize]),
    [
      [false, 0],
      [true, 5],
    ],
  )
})

test('conditions are decided at the applied index; a failure is an entry too, so that a retry gets the same answer', () => {
  const f = new Fixture()
  f.submit(1, [{ id: 1, value: 'a', condition: Condition.ifAbsent }])
  assert.equal(f.decide()?.requests[0]?.outcome, 0)
  f.submit(2, [{ id: 1, value: 'b', condition: Condition.ifAbsent }])
  const failed = f.decide()?.requests[0]
  assert.equal(failed?.outcome, ERRORS.precondition_failed.number)
  assert.deepEqual(failed.ops, [])
  assert.equal(Buffer.from(failed.detail).readUIntLE(0, 6), 1, 'the detail is the current version')
  f.submit(3, [{ id: 1, value: 'c', condition: Condition.ifVersion, version: 1 }])
  assert.equal(f.decide()?.requests[0]?.outcome, 0)
  f.submit(4, [{ id: 1, condition: Condition.ifVersion, version: 1 }])
  assert.equal(f.decide()?.requests[0]?.outcome, ERRORS.precondition_failed.number)
  f.submit(5, [{ id: 2 }, { id: 1, condition: Condition.ifVersion, version: 99 }])
  const batch = f.decide()?.requests[0]
  assert.equal(batch?.outcome, ERRORS.precondition_failed.number, 'one failed condition fails the batch')
  assert.deepEqual(batch.ops, [])
})

test('a request that was applied is answered at once, without an entry (⚖9)', () => {
  const f = new Fixture()
  f.submit(1, [{ id: 1, value: 'a' }])
  f.decide()
  f.submit(1, [{ id: 1, value: 'a' }])
  assert.equal(f.decide(), undefined)
  const answer = f.answers.get(1)
  assert.equal(answer?.error, 0)
  assert.equal(Buffer.from(answer.body).readUIntLE(0, 6), 1, 'with the index it took effect at')
})

test('appends get rising ids that are free', () => {
  const f = new Fixture()
  for (let i = 1; i <= 3; i++) f.submit(i, [{ kind: WriteKind.append, value: `v${i}` }])
  const ids = (f.decide()?.requests ?? []).map(({ detail, ops }) => {
    assert.deepEqual(ops[0]?.id, detail, 'the answer names the id that was given')
    return Buffer.from(detail).readBigUInt64BE()
  })
  assert.equal(ids.length, 3)
  assert.equal((ids[0] ?? 0n) >> 16n, BigInt(NOW))
  assert.ok((ids[0] ?? 0n) < (ids[1] ?? 0n) && (ids[1] ?? 0n) < (ids[2] ?? 0n))
})

test('an append does not take the place of a record that somebody put there', () => {
  const f = new Fixture()
  f.submit(1, [{ kind: WriteKind.append, value: 'mine' }])
  const first = Buffer.from(f.decide()?.requests[0]?.detail ?? []).readBigUInt64BE()
  // Another process, whose clock is the same, has appended once.
  const other = builderOf(f.engine)
  const state = new BlockState(BLOCK)
  state.chosen = 1
  f.submit(2, [{ kind: WriteKind.append, value: 'theirs' }])
  state.queue = f.state.queue.splice(0)
  const entry = readEntry(new ByteReader(other.build(state) ?? new Uint8Array(0)))
  assert.notEqual(Buffer.from(entry.requests[0]?.detail ?? []).readBigUInt64BE(), first)
})
