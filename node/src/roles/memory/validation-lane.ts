/** When validations of one lane of a storage group begin: few at a time, so that batches grow with the load, as rounds of the storage tier do. */
import { Lane } from '../../tier/tier.ts'

/** Validations on their way at a time, by lane. What is held travels in one: the next gathers meanwhile. */
const IN_FLIGHT = [1, 4, 32] as const
/** One that is not back after this holds up no other, up to so many. */
const LATE_MS = 5
const LATE_IN_FLIGHT = 8
/**
 * Whoever was answered together asks again within a moment. A validation that began at once would find the few who came in between,
 * and the many wait for it: large and small ones would take turns for ever. So one waits, for a while, to be nearly as large as the last,
 * if that was no small one.
 */
const GATHER_SHARE = 0.75
const GATHER_FROM = 16
const GATHER_MS = 2

export class ValidationLane {
  private readonly lane: number
  private inFlight = 0
  private beganMs = 0
  /** Series of the last one. */
  private carried = 0

  constructor(lane: number) {
    this.lane = lane
  }

  /** Until one may begin, in ms, if so many series wait and no more come; 0: now. Infinity: one that is under way has to end first. */
  waitMs(waiting: number, nowMs: number): number {
    const sinceMs = nowMs - this.beganMs
    if (this.inFlight >= (IN_FLIGHT[this.lane] as number)) {
      return this.inFlight >= LATE_IN_FLIGHT ? Number.POSITIVE_INFINITY : Math.max(0, LATE_MS - sinceMs)
    }
    const gathers = this.lane === Lane.held && this.carried >= GATHER_FROM && waiting < GATHER_SHARE * this.carried
    return gathers ? Math.max(0, GATHER_MS - sinceMs) : 0
  }

  begin(series: number, nowMs: number): void {
    this.inFlight++
    this.beganMs = nowMs
    this.carried = series
  }

  end(): void {
    this.inFlight--
  }
}
