/** Chance that a seed decides, so that two runs ask for the same pages: mulberry32. */

export type Random = () => number

/** Numbers in [0, 1) in steps of 2⁻³². */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The numbers below `count`, each once, in an order of chance. */
export function shuffled(count: number, random: Random): Uint32Array {
  const all = Uint32Array.from({ length: count }, (_, at) => at)
  for (let left = count; left > 1; left--) {
    const chosen = Math.floor(random() * left)
    const last = all[left - 1] as number
    all[left - 1] = all[chosen] as number
    all[chosen] = last
  }
  return all
}
