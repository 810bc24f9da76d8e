/** Numbers and bytes that receivers are likely to be wrong about. */
import type { ByteWriter } from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'

const MOST_BLOWN_BYTES = 300

/** A whole number of so many bits: small, at a power of two, at the end of its range, or any. */
export function anyNumber(random: Random, bits: number): number {
  const end = 2 ** bits
  switch (random.below(5)) {
    case 0:
      return random.below(Math.min(4, end))
    case 1:
      return end - 1 - random.below(Math.min(3, end))
    case 2:
      return Math.min(end - 1, Math.max(0, 2 ** random.below(bits) + random.below(3) - 1))
    case 3:
      return random.below(Math.min(64, end))
    default:
      return Math.floor(random.next() * end)
  }
}

export const anyId = (random: Random): bigint => (BigInt(anyNumber(random, 48)) << 16n) | BigInt(anyNumber(random, 16))

/** At a limit: below it, on it, above it, or far from it. */
export function nearLimit(random: Random, limit: number): number {
  return random.chance(0.6) ? Math.max(0, limit - 1 + random.below(3)) : random.below(4)
}

/** The number, and now and then another one. */
export function orWrong(random: Random, number: number, bits: number): number {
  if (!random.chance(0.04)) return number
  if (random.chance(0.5)) return Math.min(2 ** bits - 1, Math.max(0, number + random.below(3) - 1))
  return anyNumber(random, bits)
}

export function someBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  // Long ones are of one byte: to draw each costs more than what is tried by it.
  if (length > MOST_BLOWN_BYTES) bytes.fill(random.below(256))
  else for (let i = 0; i < length; i++) bytes[i] = random.below(256)
  return bytes
}

export function putId(w: ByteWriter, id: bigint): void {
  const at = w.claim(8)
  w.view.setBigUint64(at, id)
}

/** A copy with bits flipped, bytes at their extremes, a stretch repeated or taken out, or its end cut off; or the same bytes. */
export function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0 || random.chance(0.65)) return bytes
  if (random.chance(0.2)) return bytes.slice(0, random.below(bytes.length + 1))
  const copy = random.chance(0.15) ? spliced(random, bytes) : bytes.slice()
  for (let times = 1 + random.below(4); times > 0 && copy.length > 0; times--) {
    const at = random.below(copy.length)
    if (random.chance(0.4)) copy[at] = (copy[at] as number) ^ (1 << random.below(8))
    else copy[at] = random.chance(0.5) ? random.pick([0, 1, 127, 128, 255]) : random.below(256)
  }
  return copy
}

/** With a stretch of it twice, or without it. */
function spliced(random: Random, bytes: Uint8Array): Uint8Array {
  const from = random.below(bytes.length)
  const to = Math.min(bytes.length, from + 1 + random.below(MOST_BLOWN_BYTES))
  return Uint8Array.from(Buffer.concat([bytes.subarray(0, random.chance(0.5) ? to : from), bytes.subarray(random.chance(0.5) ? from : to)]))
}
