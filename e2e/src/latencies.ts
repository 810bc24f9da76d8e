/** Latencies, kept one by one: a test has few enough to sort. */
export class Latencies {
  private readonly values: number[] = []

  add(ms: number): void {
    this.values.push(ms)
  }

  get count(): number {
    return this.values.length
  }

  /** The value that a share `q` stays within, 0 of none. */
  quantile(q: number): number {
    const sorted = this.values.toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * q) - 1))] ?? 0
  }
}
