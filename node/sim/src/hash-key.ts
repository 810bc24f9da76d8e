/** The key of every table in a simulated process: which entries share a row must not differ between two runs of a seed. */
export const HASH_KEY = new Uint8Array(16).fill(0x5a)
