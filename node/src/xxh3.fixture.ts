/** XXH3-64 of 17 to 128 bytes: for tests that make bytes whose checksum is right and whose content is not. */
const SECRET = Buffer.from(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c' +
    '3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364',
  'hex',
)
const MASK = 2n ** 64n - 1n
const PRIME = 0x9e3779b185ebca87n

export const XXH3_LEAST = 17
export const XXH3_MOST = 128

/** Multiplies 16 bytes of the input, each half with its part of the secret, and folds the product. */
function mixed(input: DataView, at: number, secretAt: number, seed: bigint): bigint {
  const low = input.getBigUint64(at, true) ^ ((SECRET.readBigUInt64LE(secretAt) + seed) & MASK)
  const high = input.getBigUint64(at + 8, true) ^ ((SECRET.readBigUInt64LE(secretAt + 8) - seed) & MASK)
  const product = low * high
  return (product & MASK) ^ (product >> 64n)
}

export function xxh3(bytes: Uint8Array, seed = 0n): bigint {
  const { length } = bytes
  if (length < XXH3_LEAST || length > XXH3_MOST) throw new Error(`${length} bytes; this one takes ${XXH3_LEAST} to ${XXH3_MOST}`)
  const input = new DataView(bytes.buffer, bytes.byteOffset, length)
  let sum = (BigInt(length) * PRIME) & MASK
  for (let step = Math.ceil(length / 32) - 1; step >= 0; step--) {
    sum += mixed(input, 16 * step, 32 * step, seed) + mixed(input, length - 16 * (step + 1), 32 * step + 16, seed)
  }
  sum &= MASK
  sum ^= sum >> 37n
  sum = (sum * 0x165667919e3779f9n) & MASK
  return sum ^ (sum >> 32n)
}
