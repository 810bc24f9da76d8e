/**
 * What clients do that a good one would not: send one write to several replicas at once, so that these compete; and send
 * a request again, under its first stamp, long after it was answered or given up, when its answer may be forgotten.
 */
import type { Random } from '@thermocline/simulation'

export interface ClientFaults {
  /** Probability that an attempt goes to every replica. */
  readonly fanOut: number
  /** Probability that a finished write is sent again. */
  readonly lateRetry: number
  /** Longest time until then. */
  readonly lateRetryMs: number
}

export function drawClientFaults(random: Random): ClientFaults {
  return {
    fanOut: random.pick([0, 0, 0.05, 0.5]),
    lateRetry: random.pick([0, 0.05, 0.3]),
    lateRetryMs: random.pick([50, 500, 2500]),
  }
}
