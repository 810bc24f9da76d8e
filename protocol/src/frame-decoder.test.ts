import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, DecodeError } from './bytes.ts'
import { FrameDecoder } from './frame-decoder.ts'

function frameOf(type: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(5 + bytes)
  new DataView(frame.buffer).setUint32(0, 1 + bytes, true)
  frame[4] = type
  for (let i = 0; i < bytes; i++) frame[5 + i] = i % 251
  return frame
}

function collect(): { decoder: FrameDecoder; seen: { type: number; body: Uint8Array }[] } {
  const seen: { type: number; body: Uint8Array }[] = []
  const decoder = new FrameDecoder(new ByteReader(), (type, reader) => seen.push({ type, body: reader.take(reader.remaining) }))
  return { decoder, seen }
}

test('frames come whole, however the stream is cut', () => {
  const sizes = [0, 1, 3, 300, 5000, 70_000, 7]
  const stream = Buffer.concat(sizes.map((size, type) => frameOf(type, size)))
  for (const step of [1, 2, 3, 5, 64, 1000, 65_536, stream.length]) {
    const { decoder, seen } = collect()
    for (let at = 0; at < stream.length; at += step) decoder.push(Uint8Array.from(stream.subarray(at, at + step)))
    assert.deepEqual(
      seen.map(({ type, body }) => [type, body.length]),
      sizes.map((size, type) => [type, size]),
    )
    for (const { body } of seen) assert.ok(body.every((byte, i) => byte === i % 251))
    assert.equal(decoder.heldBytes, 0)
    assert.equal(decoder.frames, sizes.length)
  }
})

test('what an unfinished frame takes grows with what has come of it, and not with what it announces', () => {
  const whole = frameOf(4, 4_000_000)
  const { decoder, seen } = collect()
  decoder.push(whole.subarray(0, 5))
  assert.ok(decoder.heldBytes <= 256, `${decoder.heldBytes} bytes for 5`)
  for (let at = 5; at < whole.length - 1; at += 10_000) {
    const to = Math.min(at + 10_000, whole.length - 1)
    decoder.push(whole.subarray(at, to))
    assert.ok(decoder.heldBytes >= to && decoder.heldBytes <= 8 * to, `${decoder.heldBytes} bytes for ${to}`)
  }
  assert.equal(decoder.heldBytes, whole.length)
  assert.equal(seen.length, 0)
  decoder.abandon()
  assert.equal(decoder.heldBytes, 0)
})

test('a length out of range is refused as soon as it has come', () => {
  const { decoder } = collect()
  decoder.maxBytes = 100
  decoder.push(Uint8Array.of(101, 0, 0))
  assert.throws(() => decoder.push(Uint8Array.of(0)), DecodeError)
})
