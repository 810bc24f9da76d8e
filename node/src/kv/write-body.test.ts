import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ByteWriter,
  blockOf,
  Condition,
  DIRECTORY_SLICE,
  encodeSeries,
  MAX_VALUE_BYTES,
  MAX_WRITE_OPS,
  NOTHING_HELD,
  Operation,
  WriteKind,
} from '@thermocline/protocol'
import { checkReadBody } from './read-body.ts'
import { checkWriteBody } from './write-body.ts'

interface Op {
  kind?: number
  condition?: number
  version?: number
  id?: number
  value?: Uint8Array
}

function body(series: Uint8Array, ops: Op[], extra = 0): Uint8Array {
  const w = new ByteWriter(256)
  w.claim(16)
  w.u48(3)
  w.u16(series.length)
  w.put(series)
  w.u16(ops.length)
  for (const { kind = WriteKind.put, condition = Condition.none, version = 0, id = 1, value = new Uint8Array(3) } of ops) {
    w.u8(kind)
    w.u8(condition)
    w.u48(version)
    w.u32(0)
    w.u32(id)
    w.u32(value.length)
    w.put(value)
  }
  w.claim(extra)
  return w.copy()
}

const series = encodeSeries('alice')

test('a well-formed write has a shape', () => {
  const shape = checkWriteBody(body(series, [{ id: 1 }, { id: 2, kind: WriteKind.delete, value: new Uint8Array(0) }]))
  assert.ok(typeof shape === 'object')
  assert.equal(shape.block, blockOf(series))
  assert.equal(shape.opCount, 2)
  assert.equal(shape.opsAt, 24 + series.length)
  assert.equal(shape.isAppend, false)
})

const refused: readonly [string, Uint8Array, RegExp][] = [
  ['an empty series', body(new Uint8Array(0), [{}]), /^series: has 0 bytes; expected 1 to 512/],
  ['a series too long', body(new Uint8Array(513), [{}]), /^series: has 513 bytes/],
  ['no operation', body(series, []), /^ops: 0 operations; expected 1 to/],
  [
    'too many operations',
    body(
      series,
      Array.from({ length: MAX_WRITE_OPS + 1 }, (_, id) => ({ id })),
    ),
    /^ops: 1025 operations/,
  ],
  ['an unknown kind', body(series, [{ kind: 9 }]), /^ops\[0\]\.kind: 9 is not known/],
  ['an unknown condition', body(series, [{}, { condition: 7, id: 2 }]), /^ops\[1\]\.condition: 7/],
  [
    'a version that stands for none',
    body(series, [{ condition: Condition.ifVersion, version: NOTHING_HELD }]),
    /^ops\[0\]\.version: 281474976710655; expected at most 281474976710654/,
  ],
  ['the same record twice', body(series, [{ id: 4 }, { id: 4 }]), /^ops\[1\]\.id: the same record twice/],
  ['an append among others', body(series, [{ kind: WriteKind.append }, { id: 2 }]), /append stands alone/],
  ['a conditional append', body(series, [{ kind: WriteKind.append, condition: Condition.ifAbsent }]), /takes no condition/],
  ['a delete with a value', body(series, [{ kind: WriteKind.delete }]), /a delete carries no value/],
  ['a value too large', body(series, [{ value: new Uint8Array(MAX_VALUE_BYTES + 1) }]), /^ops\[0\]\.value: has 1048577 bytes/],
  [
    'values too large together',
    body(
      series,
      [1, 2, 3].map((id) => ({ id, value: new Uint8Array(MAX_VALUE_BYTES) })),
    ),
    /^ops: values of 3145728 bytes/,
  ],
  ['bytes left over', body(series, [{}], 5), /write has 5 bytes too many/],
  ['a truncated body', body(series, [{}]).subarray(0, 40), /^body: wanted/],
]

for (const [name, bytes, message] of refused) {
  test(`refused: ${name}`, () => {
    const said = checkWriteBody(bytes)
    assert.ok(typeof said === 'string')
    assert.match(said, message)
  })
}

test('every truncation of a write is refused and none throws', () => {
  const whole = body(series, [{ id: 1 }, { id: 2 }])
  for (let length = 0; length < whole.length; length++) assert.equal(typeof checkWriteBody(whole.subarray(0, length)), 'string')
})

test('reads are checked: bounds, order, lengths', () => {
  const scan = (from: number, to: number, limit: number, reverse: number): Uint8Array => {
    const w = new ByteWriter(64)
    w.u16(series.length)
    w.put(series)
    for (const id of [from, to]) {
      const at = w.claim(8)
      w.view.setUint32(at + 4, id)
    }
    w.u32(limit)
    w.u8(reverse)
    return w.copy()
  }
  assert.equal(checkReadBody(Operation.scan, scan(1, 2, 10, 1)), blockOf(series))
  assert.match(String(checkReadBody(Operation.scan, scan(3, 2, 10, 1))), /^from: is after to/)
  assert.match(String(checkReadBody(Operation.scan, scan(1, 2, 0, 1))), /^limit: 0; expected at least 1/)
  assert.match(String(checkReadBody(Operation.scan, scan(1, 2, 1, 2))), /^reverse: 2/)
  assert.match(String(checkReadBody(Operation.get, get([]))), /^ids: 0 of them; expected 1 to/)
  assert.match(String(checkReadBody(Operation.get, get(Array(1025).fill(0n)))), /^ids: 1025 of them; expected 1 to 1024/)
})

function get(ids: readonly bigint[]): Uint8Array {
  const w = new ByteWriter(64)
  w.u16(series.length)
  w.put(series)
  w.u16(ids.length)
  for (const id of ids) {
    const at = w.claim(8)
    w.view.setBigUint64(at, id)
  }
  return w.copy()
}

test('a get names each record once', () => {
  const ids = Array.from({ length: 1024 }, (_, at) => (BigInt((at * 7919) % 1024) << 48n) | BigInt(at))
  assert.equal(checkReadBody(Operation.get, get(ids)), blockOf(series))
  for (const [one, other] of [
    [0, 1],
    [1022, 1023],
    [3, 900],
  ] as const) {
    const repeated = ids.with(other, ids[one] as bigint)
    const id = ids[one] as bigint
    assert.equal(
      checkReadBody(Operation.get, get(repeated)),
      `ids: ${id >> 16n}-${id & 0xffffn} is named more than once; expected each id once`,
    )
  }
})

test('versions of pages are of slices; a directory has none', () => {
  const versions = (slices: readonly number[]): Uint8Array => {
    const w = new ByteWriter(64)
    w.u16(series.length)
    w.put(series)
    w.u16(slices.length)
    for (const slice of slices) w.u48(slice)
    return w.copy()
  }
  assert.equal(checkReadBody(Operation.pageVersions, versions([0, DIRECTORY_SLICE - 1])), blockOf(series))
  assert.equal(
    checkReadBody(Operation.pageVersions, versions([0, DIRECTORY_SLICE])),
    'slices[1]: 281474976710655; expected at most 281474976710654',
  )
})
