import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, ByteWriter, DecodeError } from './bytes.ts'
import { Condition, WriteKind } from './client-messages.ts'
import { DIRECTORY_SLICE, MAX_VALUE_BYTES, MAX_WRITE_OPS, NOTHING_HELD } from './constants.ts'
import {
  appendOp,
  checkBatch,
  checkScan,
  checkSlices,
  continueScan,
  deleteOp,
  putOp,
  readGetValue,
  readScanAnswer,
  readWriteAnswer,
  writeBodyBytes,
  writeScanBody,
  writeWriteBody,
} from './operations.ts'
import { MAX_ID, MIN_ID, readRecordId, writeRecordId } from './record-id.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const refused = { code: 'invalid_argument' }

test('a write’s body has the layout of client-messages.ts', () => {
  const writer = new ByteWriter()
  const requestId = Uint8Array.from({ length: 16 }, (_, index) => index)
  const ops = [putOp({ ms: 5, seq: 6 }, bytes('value'), { ifVersion: 2 ** 40 }), deleteOp({ ms: 7, seq: 0 })]
  writeWriteBody(writer, requestId, 77, bytes('abc'), ops)
  assert.ok(writer.length <= writeBodyBytes(bytes('abc'), ops) + 8)
  const reader = new ByteReader(writer.copy())
  assert.deepEqual(reader.take(16), requestId)
  assert.equal(reader.u48(), 77)
  assert.deepEqual(reader.take(reader.u16()), bytes('abc'))
  assert.equal(reader.u16(), 2)
  assert.deepEqual([reader.u8(), reader.u8(), reader.u48()], [WriteKind.put, Condition.ifVersion, 2 ** 40])
  assert.deepEqual(readRecordId(reader), { ms: 5, seq: 6 })
  assert.deepEqual(reader.take(reader.u32()), bytes('value'))
  assert.deepEqual([reader.u8(), reader.u8(), reader.u48()], [WriteKind.delete, Condition.none, 0])
  assert.deepEqual(readRecordId(reader), { ms: 7, seq: 0 })
  assert.equal(reader.u32(), 0)
  reader.finish('write')
})

test('a write’s answer carries the index, and the assigned id or the removed version', () => {
  const writer = new ByteWriter()
  writer.u48(9)
  writeRecordId(writer, { ms: 1_732_233_600_000, seq: 3 })
  assert.deepEqual(readWriteAnswer(new ByteReader(writer.copy())).id, { ms: 1_732_233_600_000, seq: 3 })
  writer.reset()
  writer.u48(9)
  writer.u48(2 ** 40 + 1)
  writer.u16(0)
  assert.equal(readWriteAnswer(new ByteReader(writer.copy())).removedVersion, 2 ** 40 + 1)
})

test('values are copies, and a truncated answer is a DecodeError', () => {
  const writer = new ByteWriter()
  writer.u48(3)
  writer.u32(2)
  writer.put(bytes('hi'))
  const frame = writer.copy()
  const { version, value } = readGetValue(new ByteReader(frame))
  frame.fill(0)
  assert.equal(version, 3)
  assert.deepEqual(value, bytes('hi'))
  assert.throws(() => readGetValue(new ByteReader(writer.copy(), 0, 11)), DecodeError)
  assert.throws(() => readScanAnswer(new ByteReader(writer.copy())), DecodeError)
})

test('a scan continues at next, in its direction', () => {
  const range = { from: MIN_ID, to: MAX_ID, limit: 10, reverse: true }
  const next = { ms: 5, seq: 0 }
  assert.deepEqual(continueScan(range, next), { ...range, to: next })
  assert.deepEqual(continueScan({ ...range, reverse: false }, next), { ...range, reverse: false, from: next })
  const writer = new ByteWriter()
  writeScanBody(writer, bytes('s'), { ...range, limit: 1e9 })
  assert.equal(writer.view.getUint32(19, true), 10_000)
})

test('what no node would take is refused by name', () => {
  assert.throws(() => putOp(MIN_ID, new Uint8Array(MAX_VALUE_BYTES + 1)), { ...refused, message: /^value: / })
  assert.throws(() => putOp(MIN_ID, bytes(''), { ifAbsent: true, ifVersion: 1 }), { ...refused, message: /^ifAbsent: / })
  for (const ifVersion of [0, -1, 1.5, NOTHING_HELD, 2 ** 48])
    assert.throws(() => deleteOp(MIN_ID, { ifVersion }), { ...refused, message: /^ifVersion: / })
  assert.throws(() => checkBatch([]), { ...refused, message: /^ops: / })
  assert.throws(() => checkBatch(Array.from({ length: MAX_WRITE_OPS + 1 }, (_, ms) => deleteOp({ ms, seq: 0 }))), refused)
  assert.throws(() => checkBatch([deleteOp(MIN_ID), deleteOp(MIN_ID)]), { ...refused, message: /0-0 occurs twice/ })
  assert.throws(() => checkBatch(Array.from({ length: 3 }, (_, ms) => putOp({ ms, seq: 0 }, new Uint8Array(MAX_VALUE_BYTES)))), refused)
  assert.doesNotThrow(() => checkBatch([appendOp(bytes('a')), appendOp(bytes('b'))]))
  assert.throws(() => checkScan({ from: MAX_ID, to: MIN_ID, limit: 1, reverse: true }), { ...refused, message: /^from: / })
  for (const limit of [0, 1.5, 2 ** 32]) {
    assert.throws(() => checkScan({ from: MIN_ID, to: MAX_ID, limit, reverse: true }), { ...refused, message: /^limit: / })
  }
  assert.throws(() => checkSlices([]), refused)
  assert.throws(() => checkSlices([-1]), refused)
  assert.throws(() => checkSlices([0, DIRECTORY_SLICE]), { ...refused, message: /^slices: 281474976710655 is not/ })
  assert.doesNotThrow(() => checkSlices([DIRECTORY_SLICE - 1]))
})
