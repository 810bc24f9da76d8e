/** How long validations took, by lane: counts in fixed buckets, so that noting one costs a few comparisons and no allocation. */
import { LANES } from '../../tier/tier.ts'

/** Upper bounds, in seconds. */
export const BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] as const
/** By number (tier.ts). */
export const LANE_NAMES = ['held', 'missing', 'patient'] as const

const SLOTS = BUCKETS.length + 1

export interface LaneTimes {
  /** Validations within each bound, all below it included; the last is all of them. */
  readonly counts: readonly number[]
  readonly sumSeconds: number
}

export class ValidationTimes {
  /** By lane and bucket; those above the last bound come last. */
  private readonly counts = new Float64Array(LANES * SLOTS)
  private readonly sums = new Float64Array(LANES)

  note(lane: number, ms: number): void {
    const seconds = ms / 1000
    let bucket = 0
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] as number)) bucket++
    const at = lane * SLOTS + bucket
    this.counts[at] = (this.counts[at] as number) + 1
    this.sums[lane] = (this.sums[lane] as number) + seconds
  }

  of(lane: number): LaneTimes {
    let sum = 0
    const counts = Array.from(this.counts.subarray(lane * SLOTS, (lane + 1) * SLOTS), (count) => {
      sum += count
      return sum
    })
    return { counts, sumSeconds: this.sums[lane] as number }
  }
}
