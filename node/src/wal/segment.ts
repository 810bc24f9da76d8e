/**
 * A segment: one pre-zeroed file of the shared log, recycled under a new generation when nothing needs its records.
 *
 * The first SEGMENT_HEAD_BYTES name the format, the generation and the volume; writes follow at multiples of
 * WRITE_ALIGN. Scanning stops at the first place that holds no valid write. Whether that is the end, a tail cut by a
 * crash, or damage is decided by what comes after (⚖12): write N+1 starts only after sync N returned, so a valid later
 * write proves that the damaged one had been durable.
 */
import { crc32 } from 'node:zlib'
import { ByteReader, ByteWriter, DISK_VERSION, ThermoclineError } from '@thermocline/protocol'
import type { LogFile } from '../io/ports.ts'
import { WRITE_ALIGN, WRITE_HEAD_BYTES, WRITE_MAGIC } from './records.ts'

export const SEGMENT_HEAD_BYTES = 512
const SEGMENT_MAGIC = 0x31534c54 // "TLS1"

/** What the writes of one life of a segment are known by: 32 random bits each. */
export interface SegmentKey {
  readonly tag: number
  readonly seed: number
}

/** Of a segment that was never used. */
export const NO_KEY: SegmentKey = { tag: 0, seed: 0 }

export interface Segment {
  readonly name: string
  readonly file: LogFile
  /** 0: never used. */
  generation: number
  key: SegmentKey
  /** Where the next write goes. */
  end: number
  /** What lies before it is durable. */
  durableEnd: number
  /** Where each write begins, in order. */
  writes: number[]
}

/**
 * The head of a segment: `u32 magic | u32 crc of the rest | u16 version | u32 generation | 8 bytes nonce of the volume |
 * u48 flush | u32 tag | u32 seed`. What the segment held before is gone with the same write, so `flush` is the engine's last one by then: an
 * engine that holds an older one lacks what only the segment had.
 */
export function encodeSegmentHead(generation: number, volumeNonce: string, flush: number, key: SegmentKey): Uint8Array {
  const w = new ByteWriter(SEGMENT_HEAD_BYTES)
  w.u32(SEGMENT_MAGIC)
  w.u32(0)
  w.u16(DISK_VERSION)
  w.u32(generation)
  w.hex(volumeNonce)
  w.u48(flush)
  w.u32(key.tag)
  w.u32(key.seed)
  w.claim(SEGMENT_HEAD_BYTES - w.length)
  w.patchU32(4, crc32(w.bytes.subarray(8, SEGMENT_HEAD_BYTES)))
  return w.written()
}

export interface SegmentHead {
  readonly generation: number
  readonly flush: number
  readonly key: SegmentKey
}

/**
 * What a segment's head says; undefined if it is zeros, as those of segments that were never used.
 * @throws ThermoclineError `unsupported_version` for a newer format, `corrupt` for a damaged head or another volume's.
 */
export function readSegmentHead(bytes: Uint8Array, name: string, volumeNonce: string): SegmentHead | undefined {
  const r = new ByteReader(bytes)
  const magic = r.u32()
  const crc = r.u32()
  if (magic === 0 && bytes.every((byte) => byte === 0)) return undefined
  if (magic !== SEGMENT_MAGIC || crc32(bytes.subarray(8, SEGMENT_HEAD_BYTES)) !== crc) {
    throw new ThermoclineError('corrupt', `log segment ${name}: its head failed its checksum`)
  }
  const version = r.u16()
  if (version > DISK_VERSION) {
    throw new ThermoclineError('unsupported_version', `log segment ${name} has format ${version}; this program reads up to ${DISK_VERSION}`)
  }
  if (version < DISK_VERSION) {
    throw new ThermoclineError(
      'unsupported_version',
      `log segment ${name} has format ${version}, of a build before the first release; this program reads format ${DISK_VERSION}`,
    )
  }
  const generation = r.u32()
  // A volume's log is removed before it takes another nonce, so this file stands where one of its own may have been.
  if (r.hex(8) !== volumeNonce) throw new ThermoclineError('corrupt', `log segment ${name} is another volume's`)
  return { generation, flush: r.u48(), key: { tag: r.u32(), seed: r.u32() } }
}

export interface FoundWrite {
  readonly offset: number
  readonly number: number
  readonly previous: number
  /** Where its records lie in the bytes given. */
  readonly bodyFrom: number
  readonly bodyTo: number
}

/** The valid write at `offset` of a segment, if there is one; `bytes` are the segment's from `base` on. */
export function writeAt(bytes: Uint8Array, offset: number, key: SegmentKey, base = 0): FoundWrite | undefined {
  const at = offset - base
  if (at + WRITE_HEAD_BYTES > bytes.length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, WRITE_HEAD_BYTES)
  if (view.getUint32(0, true) !== WRITE_MAGIC) return undefined
  const bodyBytes = view.getUint32(8, true)
  if (view.getUint32(12, true) !== key.tag || view.getUint32(16, true) !== offset) return undefined
  const bodyFrom = at + WRITE_HEAD_BYTES
  const bodyTo = bodyFrom + bodyBytes
  if (bodyTo > bytes.length || crc32(bytes.subarray(at + 8, bodyTo), key.seed) !== view.getUint32(4, true)) return undefined
  const number = view.getUint16(24, true) * 0x1_0000_0000 + view.getUint32(20, true)
  const previous = view.getUint16(30, true) * 0x1_0000_0000 + view.getUint32(26, true)
  return { offset, number, previous, bodyFrom, bodyTo }
}

/** Fills in the head of a write whose records start at WRITE_HEAD_BYTES of `w`; returns the bytes to put down. */
export function sealWrite(w: ByteWriter, key: SegmentKey, offset: number, number: number, previous: number): Uint8Array {
  const length = w.length
  const padded = alignUp(length)
  w.claim(padded - length)
  w.bytes.fill(0, length, padded)
  const { view } = w
  view.setUint32(0, WRITE_MAGIC, true)
  view.setUint32(8, length - WRITE_HEAD_BYTES, true)
  view.setUint32(12, key.tag, true)
  view.setUint32(16, offset, true)
  view.setUint32(20, number >>> 0, true)
  view.setUint16(24, number / 0x1_0000_0000, true)
  view.setUint32(26, previous >>> 0, true)
  view.setUint16(30, previous / 0x1_0000_0000, true)
  view.setUint32(4, crc32(w.bytes.subarray(8, length), key.seed), true)
  return w.bytes.subarray(0, padded)
}

export function alignUp(bytes: number): number {
  return Math.ceil(bytes / WRITE_ALIGN) * WRITE_ALIGN
}

/** The first valid write at or after `from` that is newer than `after`: proof that what lies before it was durable. */
export function laterWrite(bytes: Uint8Array, from: number, key: SegmentKey, after: number): FoundWrite | undefined {
  for (let offset = from; offset + WRITE_HEAD_BYTES <= bytes.length; offset += WRITE_ALIGN) {
    const found = writeAt(bytes, offset, key)
    if (found !== undefined && found.number > after) return found
  }
  return undefined
}
