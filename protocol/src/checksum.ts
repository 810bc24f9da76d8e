/**
 * The checksum of entries and of peer frames: `xxHash32(bytes, seed 0)`. It finds what a wire or a memory has flipped; it
 * does not tell who wrote the bytes.
 */
import xxhash from 'xxhash-wasm'

const { h32Raw } = await xxhash()

export function checksum32(bytes: Uint8Array): number {
  return h32Raw(bytes) >>> 0
}
