/**
 * Growable writer and bounds-checked reader over bytes: the ground of every frame, entry and log record. Integers are
 * little-endian; record ids are 8 big-endian bytes so that they sort as bytes. A reader that would run past its end
 * throws `DecodeError`; nothing is read or allocated by a length that was not checked first.
 */

export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

const U32 = 0x1_0000_0000

export class ByteWriter {
  bytes: Uint8Array
  view: DataView
  length = 0

  constructor(capacity = 4096) {
    this.bytes = new Uint8Array(capacity)
    this.view = new DataView(this.bytes.buffer)
  }

  reset(): void {
    this.length = 0
  }

  /** Makes room for `extra` more bytes and returns the offset they start at; advances the length. */
  claim(extra: number): number {
    const at = this.length
    const need = at + extra
    if (need > this.bytes.length) this.grow(need)
    this.length = need
    return at
  }

  private grow(need: number): void {
    const larger = new Uint8Array(Math.max(need, this.bytes.length * 2))
    larger.set(this.bytes)
    this.bytes = larger
    this.view = new DataView(larger.buffer)
  }

  /** Bytes given as hexadecimal digits. */
  hex(digits: string): void {
    for (let i = 0; i < digits.length; i += 2) this.u8(Number.parseInt(digits.slice(i, i + 2), 16))
  }

  u8(value: number): void {
    const at = this.claim(1)
    this.bytes[at] = value
  }

  u16(value: number): void {
    const at = this.claim(2)
    this.view.setUint16(at, value, true)
  }

  u32(value: number): void {
    const at = this.claim(4)
    this.view.setUint32(at, value, true)
  }

  u48(value: number): void {
    const at = this.claim(6)
    this.view.setUint32(at, value >>> 0, true)
    this.view.setUint16(at + 4, value / U32, true)
  }

  /** Copies `source[from, to)`. */
  put(source: Uint8Array, from = 0, to = source.length): void {
    const at = this.claim(to - from)
    if (from === 0 && to === source.length) this.bytes.set(source, at)
    else this.bytes.set(source.subarray(from, to), at)
  }

  patchU16(at: number, value: number): void {
    this.view.setUint16(at, value, true)
  }

  patchU32(at: number, value: number): void {
    this.view.setUint32(at, value, true)
  }

  /** The bytes so far; valid until the next write. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  /** A copy that later writes do not touch. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }
}

export class ByteReader {
  bytes: Uint8Array
  view: DataView
  at: number
  end: number

  constructor(bytes: Uint8Array = new Uint8Array(0), from = 0, to = bytes.length) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.at = from
    this.end = to
  }

  /** Points the reader at other bytes. */
  reset(bytes: Uint8Array, from = 0, to = bytes.length): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    this.at = from
    this.end = to
  }

  get remaining(): number {
    return this.end - this.at
  }

  /** Skips `count` bytes and returns where they began. */
  skip(count: number): number {
    const at = this.at
    if (count > this.end - at) throw new DecodeError(`wanted ${count} more bytes, only ${this.end - at} are left`)
    this.at = at + count
    return at
  }

  /** `bytes` bytes as hexadecimal digits. */
  hex(bytes: number): string {
    let digits = ''
    for (const byte of this.take(bytes)) digits += byte.toString(16).padStart(2, '0')
    return digits
  }

  u8(): number {
    return this.bytes[this.skip(1)] as number
  }

  u16(): number {
    return this.view.getUint16(this.skip(2), true)
  }

  u32(): number {
    return this.view.getUint32(this.skip(4), true)
  }

  u48(): number {
    const at = this.skip(6)
    return this.view.getUint16(at + 4, true) * U32 + this.view.getUint32(at, true)
  }

  /** A view of the next `count` bytes, not a copy. */
  take(count: number): Uint8Array {
    const at = this.skip(count)
    return this.bytes.subarray(at, at + count)
  }

  /** Throws unless everything was read. */
  finish(what: string): void {
    if (this.at !== this.end) throw new DecodeError(`${what} has ${this.end - this.at} bytes too many`)
  }
}
