/**
 * Zipfian ranks: rank r of n is drawn with a probability proportional to 1 ÷ (r + 1)^θ, rank 0 most often.
 *
 * The method is that of Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), which YCSB uses
 * too: the first two ranks are exact, the rest comes from one power of one random number, without a table. YCSB then hides
 * which keys are hot behind a hash of the rank; a hash drops a third of the keys and gives others a double share, so here
 * a permutation of the ranks does that (`dataset.ts`), and the distribution over the pages is the one that is named.
 */

/** Skew of YCSB's workloads. */
export const THETA = 0.99

/** The sum of 1 ÷ i^θ for i from 1 to n. */
export function zeta(n: number, theta: number): number {
  let sum = 0
  for (let i = 1; i <= n; i++) sum += 1 / i ** theta
  return sum
}

/** Draws ranks below `n`, which is 2 or more, by numbers in [0, 1). */
export function zipfianRanks(n: number, theta: number, random: () => number): () => number {
  const zetaN = zeta(n, theta)
  const alpha = 1 / (1 - theta)
  const second = 1 + 0.5 ** theta
  const eta = (1 - (2 / n) ** (1 - theta)) / (1 - second / zetaN)
  return () => {
    const chance = random()
    const scaled = chance * zetaN
    if (scaled < 1) return 0
    if (scaled < second) return 1
    return Math.min(n - 1, Math.floor(n * (eta * chance - eta + 1) ** alpha))
  }
}
