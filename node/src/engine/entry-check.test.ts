/** What a replica takes as an entry from a peer: nothing that apply could not decode, and nothing that the block may not say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, ByteWriter, blockOf, ENTRY_HAS_KEY, encodeSeries, OpKind, readEntry, sealEntry } from '@thermocline/protocol'
import { checkEntry } from './mod.ts'
import { buildEntry, type ModelRequest, type OldRecord, withKey } from './model.ts'

const SERIES = 'alice'
const BLOCK = blockOf(encodeSeries(SERIES))
const ABSENT: OldRecord = { exists: false, version: 0, size: 0, hash: new Uint8Array(8) }

let requests = 0
type Shipped = ModelRequest & { readonly old: readonly OldRecord[] }

function request(changes: Partial<Shipped> = {}): Shipped {
  const requestId = new Uint8Array(16)
  requestId[0] = ++requests
  const ops = [{ kind: OpKind.put, id: BigInt(requests) << 16n, value: new TextEncoder().encode('value') }]
  return { requestId, stamp: 0, outcome: 0, detail: new Uint8Array(8), series: SERIES, ops, old: [ABSENT], ...changes }
}

/** The entry with other bytes at `at`, and a checksum that fits them. */
function patched(entry: Uint8Array, at: number, bytes: readonly number[]): Uint8Array {
  const writer = new ByteWriter(entry.length)
  writer.put(entry)
  writer.bytes.set(bytes, at)
  sealEntry(writer)
  return writer.copy()
}

const whole = buildEntry(3, 5, [request(), request({ ops: [], old: [], outcome: 2 }), request()])

test('an entry of the block is taken, at its index alone', () => {
  assert.equal(checkEntry(BLOCK, 9, whole), undefined)
  assert.equal(checkEntry(BLOCK, 1, withKey(buildEntry(0, 5, [request()]))), undefined)
  assert.match(checkEntry(BLOCK ^ 1, 9, whole) ?? '', /a series of another block/)
  assert.match(checkEntry(BLOCK, 2, whole) ?? '', /horizon above its index/)
  assert.match(checkEntry(BLOCK, 1, buildEntry(0, 5, [])) ?? '', /no digest key/)
  assert.match(checkEntry(BLOCK, 9, withKey(whole)) ?? '', /not the block's first/)
})

test('no bit of it may be flipped, and nothing cut off or added', () => {
  for (let at = 0; at < whole.length * 8; at++) {
    const flipped = whole.slice()
    flipped[at >> 3] = (flipped[at >> 3] as number) ^ (1 << (at & 7))
    assert.notEqual(checkEntry(BLOCK, 9, flipped), undefined, `bit ${at}`)
  }
  for (let length = 0; length < whole.length; length++) assert.notEqual(checkEntry(BLOCK, 9, whole.subarray(0, length)), undefined)
  assert.notEqual(checkEntry(BLOCK, 9, Buffer.concat([whole, Buffer.of(0)])), undefined)
})

test('what a proposer would never say is refused though its checksum fits', () => {
  const id = 7n << 16n
  const ops = [{ kind: OpKind.put, id, value: new Uint8Array(1) }]
  const refused: [RegExp, Uint8Array][] = [
    [/unknown flags/, patched(whole, 1, [2])],
    [/not the block's first|cut off/, patched(whole, 1, [ENTRY_HAS_KEY])],
    [/two operations on one record/, buildEntry(0, 0, [request({ ops: [...ops, ...ops], old: [ABSENT, ABSENT] })])],
    [/two operations on one record/, buildEntry(0, 0, [request({ ops }), request({ ops })])],
    [/unknown outcome/, buildEntry(0, 0, [request({ outcome: 5 })])],
    [/does not go with its outcome/, buildEntry(0, 0, [request({ outcome: 2 })])],
    [/does not go with its outcome/, buildEntry(0, 0, [request({ ops: [], old: [] })])],
    [/unknown kind/, buildEntry(0, 0, [request({ ops: [{ kind: 3, id, value: new Uint8Array(0) }] })])],
    [/removal with a value/, buildEntry(0, 0, [request({ ops: [{ kind: OpKind.delete, id, value: new Uint8Array(1) }] })])],
    [/impossible old record/, buildEntry(0, 0, [request({ old: [{ ...ABSENT, size: 3 }] })])],
    [/more than 1 MiB/, buildEntry(0, 0, [request({ ops: [{ kind: OpKind.put, id, value: new Uint8Array(1024 * 1024 + 1) }] })])],
    [/longer than 4 MiB/, Buffer.concat([whole, new Uint8Array(4 * 1024 * 1024)])],
  ]
  for (const [why, entry] of refused) assert.match(checkEntry(BLOCK, 9, entry) ?? 'taken', why)
})

test('whatever is changed in an entry, the check does not let through what cannot be read', () => {
  for (let round = 0; round < 20_000; round++) {
    const entry = patched(whole, 6 + Math.floor(Math.random() * (whole.length - 6)), [Math.floor(Math.random() * 256)])
    if (checkEntry(BLOCK, 9, entry) === undefined) readEntry(new ByteReader(entry))
  }
})
