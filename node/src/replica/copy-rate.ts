/**
 * How fast a replica takes in and gives copies. Clients' work comes first: the rate is halved while this replica's log is slow, or
 * a peer says so of its own, while requests are refused, or while tables come in faster than they are merged; it is doubled after
 * each while in which nothing of that was seen. It never ends: a cluster that is always busy would never be whole again.
 */
import { COPY_BYTES_PER_SECOND } from '../paxos/constants.ts'

/** A log write that takes longer is slow. */
export const SLOW_SYNC_MS = 50
/** So many tables in level 0 of a family: nothing is installed, and less is taken in. */
export const MAX_LEVEL0_TABLES = 12
/** More than this that waits to be merged. */
export const MAX_PENDING_COMPACTION_BYTES = 1024 * 1024 * 1024
/** The least part of the full rate. */
export const LEAST_SHARE = 0.05
/** The rate is not halved again before this: what the last halving does must be seen first. */
export const HALVE_AFTER_MS = 500
/** So long without trouble doubles it. */
export const DOUBLE_AFTER_MS = 5000
/** What is taken may be so far ahead of the rate: it is looked at by the sweep alone while nothing else happens. */
const BURST_MS = 40

export class CopyRate {
  share = 1
  private quietSinceMs = Number.NEGATIVE_INFINITY
  private halvedAtMs = Number.NEGATIVE_INFINITY

  /** Something is slow or full. */
  noteTrouble(nowMs: number): void {
    this.quietSinceMs = nowMs
    if (nowMs - this.halvedAtMs < HALVE_AFTER_MS) return
    this.halvedAtMs = nowMs
    this.share = Math.max(LEAST_SHARE, this.share / 2)
  }

  /** Called often. */
  sweep(nowMs: number): void {
    if (this.share === 1 || nowMs - this.quietSinceMs < DOUBLE_AFTER_MS) return
    this.quietSinceMs = nowMs
    this.share = Math.min(1, this.share * 2)
  }
}

/** One direction's account. */
export class CopyBudget {
  private readonly rate: CopyRate
  /** When all that was moved so far would have been, at the rate of its time. */
  private paidUntilMs = 0

  constructor(rate: CopyRate) {
    this.rate = rate
  }

  isDue(nowMs: number): boolean {
    return this.paidUntilMs <= nowMs + BURST_MS
  }

  take(bytes: number, nowMs: number): void {
    this.paidUntilMs = Math.max(this.paidUntilMs, nowMs) + (bytes * 1000) / (COPY_BYTES_PER_SECOND * this.rate.share)
  }
}
