/**
 * Requests as bytes, without a string and without an object for each: the outbox of a connection, and the name of a page.
 *
 * Invariant: bytes below `length` are never written again. So `take` may hand a window of the buffer to a socket, which
 * keeps it for as long as it likes, and what follows goes behind it.
 */
const SLAB_BYTES = 64 * 1024
const ZERO = 48
const DIGITS = 10
const NAME = `bench-${'0'.repeat(DIGITS)}`

export const NAME_BYTES = NAME.length

/** The name of a page for stores that know keys only; the loader of etcd uses the same. */
export const nameOf = (page: number): string => `bench-${String(page).padStart(DIGITS, '0')}`

const encoder = new TextEncoder()

/** A command with the name of a page in it, which is written over `nameOf(0)`. */
export class Template {
  readonly bytes: Uint8Array
  /** Where the name ends, from the end of the text. */
  readonly nameEnd: number

  constructor(before: string, after: string) {
    this.bytes = encoder.encode(before + NAME + after)
    this.nameEnd = this.bytes.length - after.length
  }
}

export class Outbox {
  private slab = new Uint8Array(SLAB_BYTES)
  private begin = 0
  private length = 0

  get isEmpty(): boolean {
    return this.begin === this.length
  }

  /** Makes room; what waits in the old slab moves to the new one. */
  private reserve(bytes: number): void {
    if (this.length + bytes <= this.slab.length) return
    const waiting = this.slab.subarray(this.begin, this.length)
    const slab = new Uint8Array(Math.max(SLAB_BYTES, 2 * (waiting.length + bytes)))
    slab.set(waiting)
    this.slab = slab
    this.begin = 0
    this.length = waiting.length
  }

  bytes(some: Uint8Array): void {
    this.reserve(some.length)
    this.slab.set(some, this.length)
    this.length += some.length
  }

  page({ bytes, nameEnd }: Template, page: number): void {
    this.bytes(bytes)
    let left = page
    for (let at = this.length - bytes.length + nameEnd - 1; left > 0; at--) {
      const rest = Math.floor(left / 10)
      this.slab[at] = ZERO + left - rest * 10
      left = rest
    }
  }

  /** All that waits. */
  take(): Uint8Array {
    const taken = this.slab.subarray(this.begin, this.length)
    this.begin = this.length
    return taken
  }
}
