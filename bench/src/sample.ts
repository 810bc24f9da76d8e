/** What a loader prints, and how the samples of several loader processes become one. The Go loader prints the same fields. */

export interface LoaderSample {
  /** Calls that succeeded while measuring; a batch is one call. */
  readonly calls: number
  /** Records written or read by them. */
  readonly operations: number
  readonly seconds: number
  /** CPU time of all server processes, user and system. */
  readonly serverCpuSeconds: number
  readonly loaderCpuSeconds: number
  readonly errors: number
  readonly firstError?: string
  /** The 1001 quantiles 0, 0.001 … 1 of a call's latency; empty without calls. Where writes are counted apart, of the reads. */
  readonly quantilesMs: readonly number[]
  /** Writes of a mix, which `calls` includes. */
  readonly writes?: { readonly calls: number; readonly quantilesMs: readonly number[] }
}

/** One run of one workload against one system, all loader processes together. */
export interface Sample {
  readonly opsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly serverCpuUsPerOp: number
  readonly loaderCpuUsPerOp: number
  /** CPU seconds per second of the busiest loader process. */
  readonly loaderCores: number
  readonly loaders: number
  readonly errors: number
  /** Of the writes of a mix; the figures above are then those of its reads. */
  readonly writeP50Ms?: number
  readonly writeP99Ms?: number
}

const STEPS = 1000

/** The 1001 quantiles of values sorted upwards. */
export function quantilesOf(sorted: ArrayLike<number>): number[] {
  if (sorted.length === 0) return []
  return Array.from({ length: STEPS + 1 }, (_, step) => sorted[Math.floor(((sorted.length - 1) * step) / STEPS)] as number)
}

/** A quantile of several loaders' calls taken together: each loader's quantiles count by its calls. */
export function mergedQuantile(parts: readonly Pick<LoaderSample, 'calls' | 'quantilesMs'>[], quantile: number): number {
  const points = parts
    .flatMap(({ calls, quantilesMs }) => quantilesMs.map((ms) => ({ ms, weight: calls / quantilesMs.length })))
    .sort((a, b) => a.ms - b.ms)
  let left = quantile * points.reduce((sum, { weight }) => sum + weight, 0)
  for (const { ms, weight } of points) {
    left -= weight
    if (left <= 0) return ms
  }
  return points.at(-1)?.ms ?? 0
}

/** Adds up loaders that ran at the same time; each saw the servers' CPU of its own window, so the mean of those counts. */
export function mergeSamples(parts: readonly LoaderSample[]): Sample {
  const sum = (value: (part: LoaderSample) => number) => parts.reduce((total, part) => total + value(part), 0)
  const operations = Math.max(
    1,
    sum((part) => part.operations),
  )
  const writes = parts.flatMap((part) => part.writes ?? [])
  return {
    opsPerSecond: sum((part) => part.operations / part.seconds),
    p50Ms: mergedQuantile(parts, 0.5),
    p99Ms: mergedQuantile(parts, 0.99),
    serverCpuUsPerOp: (sum((part) => part.serverCpuSeconds) / parts.length / operations) * 1e6,
    loaderCpuUsPerOp: (sum((part) => part.loaderCpuSeconds) / operations) * 1e6,
    loaderCores: Math.max(...parts.map((part) => part.loaderCpuSeconds / part.seconds)),
    loaders: parts.length,
    errors: sum((part) => part.errors),
    ...(writes.length === 0 ? {} : { writeP50Ms: mergedQuantile(writes, 0.5), writeP99Ms: mergedQuantile(writes, 0.99) }),
  }
}
