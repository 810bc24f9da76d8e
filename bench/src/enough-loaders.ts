/** A loader with one thread may be what is measured, and not the servers. Then two of them share the clients. */
import type { Sample } from './sample.ts'

/** Above this share of what its threads can use, a loader has no CPU left. */
const SATURATED_SHARE = 0.9

export function isSaturated(sample: Pick<Sample, 'loaderCores'>, threads: number): boolean {
  return sample.loaderCores > SATURATED_SHARE * threads
}

export class EnoughLoaders<W extends { readonly clients: number }> {
  /** Loaders that a workload needs, once one was seen to be too few. */
  private readonly needed = new Map<W, number>()
  private readonly load: (loaders: number, workload: W, seconds: number) => Promise<Sample>

  constructor(load: (loaders: number, workload: W, seconds: number) => Promise<Sample>) {
    this.load = load
  }

  /** Measures with one loader; if that one has no CPU left, again with two, and from then on with two. */
  async measure(workload: W, seconds: number): Promise<Sample> {
    const sample = await this.load(this.needed.get(workload) ?? 1, workload, seconds)
    if (sample.loaders > 1 || !isSaturated(sample, 1) || workload.clients < 2) return sample
    this.needed.set(workload, 2)
    return this.load(2, workload, seconds)
  }
}
