/**
 * Names that one XXH3-128 without a secret takes for the same. From 241 bytes on it multiplies, in each stripe of 64 bytes, the halves
 * of each word after an exclusive or with its public constants: where one half becomes 0, the other one counts for nothing but a sum.
 */
import { blockOf } from '@thermocline/protocol'

const NAME_BYTES = 256
/** The public constants at the first words of the first two stripes. */
const FIRST_LOW = [0xb8, 0xfe, 0x6c, 0x39]
const SECOND_LOW = [0x7c, 0x01, 0x81, 0x2c]
const SUM = 0x12345678

function nameOf(half: number): Uint8Array {
  const name = new Uint8Array(NAME_BYTES).fill(0x61)
  const view = new DataView(name.buffer)
  name.set(FIRST_LOW, 0)
  view.setUint32(4, half >>> 0, true)
  name.set(SECOND_LOW, 64)
  view.setUint32(68, (SUM - half) >>> 0, true)
  return name
}

export interface CollidingNames {
  readonly first: Uint8Array
  readonly second: Uint8Array
  /** Of both. */
  readonly block: number
}

/** Two such names of one block. */
export function collidingNames(): CollidingNames {
  const seen = new Map<number, Uint8Array>()
  for (let half = 1; ; half++) {
    const second = nameOf(half)
    const block = blockOf(second)
    const first = seen.get(block)
    if (first !== undefined) return { first, second, block }
    seen.set(block, second)
  }
}
