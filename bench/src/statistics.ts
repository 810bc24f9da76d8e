/** Medians and spreads over rounds. */

export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** The middle of the values; of an even number, the mean of the two in the middle. @throws Error if there are none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('median: there are no values')
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) }
}
