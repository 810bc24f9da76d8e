import type { Random } from '@thermocline/simulation'

/** The numbers below `count`, each once, in an order of chance. */
export function shuffled(count: number, random: Random): Uint32Array {
  const all = Uint32Array.from({ length: count }, (_, at) => at)
  for (let left = count; left > 1; left--) {
    const chosen = random.below(left)
    const last = all[left - 1] as number
    all[left - 1] = all[chosen] as number
    all[chosen] = last
  }
  return all
}
