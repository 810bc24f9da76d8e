/**
 * Cuts a byte stream into frames. Frames that come whole are read where they are; of one that does not, the bytes are kept. The buffer
 * for them grows with what has come, since a length alone costs its sender nothing: it is at most `GROWTH` times as large.
 */
import { type ByteReader, DecodeError } from './bytes.ts'
import { MAX_FRAME_BYTES } from './constants.ts'

/** Each byte of a frame is copied twice at most, on average a seventh of them is. */
const GROWTH = 8
const LEAST_BYTES = 256
const LENGTH_BYTES = 4

export class FrameDecoder {
  private readonly onFrame: (type: number, reader: ByteReader) => void
  private readonly reader: ByteReader
  /** A longer frame is an error as soon as its length has come. */
  maxBytes: number
  private pending: Uint8Array | undefined
  private pendingLength = 0
  /** What the pending frame takes as a whole, as far as that is known. */
  private wanted = 0
  /** Whole frames so far. */
  frames = 0

  constructor(reader: ByteReader, onFrame: (type: number, reader: ByteReader) => void, maxBytes = MAX_FRAME_BYTES) {
    this.reader = reader
    this.onFrame = onFrame
    this.maxBytes = maxBytes
  }

  /** Memory that an unfinished frame takes. */
  get heldBytes(): number {
    return this.pending === undefined ? 0 : this.pending.length
  }

  /** Lets go of an unfinished frame. Nothing may be pushed afterwards. */
  abandon(): void {
    this.pending = undefined
  }

  /**
   * Calls `onFrame(type, reader)` for every whole frame; the reader is valid only during the call, and the bytes it views are never
   * overwritten (views of them may be kept).
   * @throws DecodeError on a length out of range; the connection is then lost.
   */
  push(chunk: Uint8Array): void {
    let at = 0
    if (this.pending !== undefined) {
      at = this.fillPending(chunk)
      if (this.pending !== undefined) return
    }
    while (chunk.length - at >= LENGTH_BYTES) {
      const length = lengthAt(chunk, at, this.maxBytes)
      if (chunk.length - at - LENGTH_BYTES < length) break
      this.emit(chunk, at + LENGTH_BYTES, at + LENGTH_BYTES + length)
      at += LENGTH_BYTES + length
    }
    if (at < chunk.length) this.keep(chunk, at)
  }

  private emit(bytes: Uint8Array, from: number, to: number): void {
    this.frames++
    this.reader.reset(bytes, from, to)
    this.onFrame(this.reader.u8(), this.reader)
  }

  private keep(chunk: Uint8Array, at: number): void {
    const left = chunk.length - at
    this.wanted = left >= LENGTH_BYTES ? LENGTH_BYTES + lengthAt(chunk, at, this.maxBytes) : LENGTH_BYTES
    this.pending = new Uint8Array(roomFor(left, this.wanted))
    this.pending.set(chunk.subarray(at))
    this.pendingLength = left
  }

  /** Completes the frame that an earlier chunk began; returns how many bytes of `chunk` that took. */
  private fillPending(chunk: Uint8Array): number {
    let at = 0
    for (;;) {
      const taken = Math.min(this.wanted - this.pendingLength, chunk.length - at)
      const pending = this.pendingWith(taken)
      pending.set(chunk.subarray(at, at + taken), this.pendingLength)
      at += taken
      this.pendingLength += taken
      if (this.pendingLength < this.wanted) return at
      if (this.wanted > LENGTH_BYTES) {
        this.pending = undefined
        this.emit(pending, LENGTH_BYTES, this.wanted)
        return at
      }
      this.wanted = LENGTH_BYTES + lengthAt(pending, 0, this.maxBytes)
    }
  }

  /** The pending bytes, with room for so many more. */
  private pendingWith(more: number): Uint8Array {
    const pending = this.pending as Uint8Array
    const length = this.pendingLength + more
    if (length <= pending.length) return pending
    const larger = new Uint8Array(roomFor(length, this.wanted))
    larger.set(pending.subarray(0, this.pendingLength))
    this.pending = larger
    return larger
  }
}

/** Bytes for a frame of `wanted` bytes of which `came` have come. */
function roomFor(came: number, wanted: number): number {
  return Math.min(Math.max(GROWTH * came, LEAST_BYTES), wanted)
}

function lengthAt(bytes: Uint8Array, at: number, maxBytes: number): number {
  const length =
    ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)) >>> 0
  if (length < 1 || length > maxBytes) throw new DecodeError(`a frame of ${length} bytes is not within 1 to ${maxBytes}`)
  return length
}
