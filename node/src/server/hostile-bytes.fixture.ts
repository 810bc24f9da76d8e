/** Chance for tests that send nonsense; they print the seed, and FUZZ_SEED runs it again. */
export const FUZZ_SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))

let state = FUZZ_SEED
export function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

/** A copy with some of its bytes changed, a length blown up, or its end cut off. */
export function mutate(bytes: Uint8Array): Uint8Array {
  const copy = random(4) === 0 ? bytes.slice(0, random(bytes.length + 1)) : bytes.slice()
  for (let times = random(6); times > 0 && copy.length > 0; times--) copy[random(copy.length)] = random(3) === 0 ? 255 : random(256)
  return copy
}
