/**
 * Who leads, decided from one reading of the Lease. Pure.
 *
 * Clocks of machines differ, so `renewTime` is never compared with a clock of ours: what counts is for how long *we* have
 * seen the Lease unchanged. The holder stops leading `renewDeadlineMs` after it *sent* its last successful renewal; others
 * take over `durationMs` after they *first saw* it, which is later than it was sent. So no two lead at once as long as
 * no clock runs faster than another by durationMs / renewDeadlineMs, and nobody deletes the Lease.
 *
 * Source: client-go tools/leaderelection, and its warning about clock skew *rate*.
 */

export interface LeaseBounds {
  /** Written into the Lease: others wait this long. */
  readonly durationMs: number
  /** The holder gives up this long after its last successful renewal was sent. */
  readonly renewDeadlineMs: number
  /** Between attempts. */
  readonly retryMs: number
}

export const LEASE_BOUNDS: LeaseBounds = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 }

export interface LeaseView {
  /** Empty: released. */
  readonly holder: string
  readonly durationMs: number
  /** Changes with every renewal; never read as a time. */
  readonly renewTime: string
  readonly transitions: number
  readonly resourceVersion: string
}

/** What we last saw, and since when by our monotonic clock. */
export interface Observation {
  readonly holder: string
  readonly renewTime: string
  readonly sinceMs: number
}

export function observe(last: Observation | undefined, seen: LeaseView, nowMs: number): Observation {
  if (last !== undefined && last.holder === seen.holder && last.renewTime === seen.renewTime) return last
  return { holder: seen.holder, renewTime: seen.renewTime, sinceMs: nowMs }
}

export type LeaseAction =
  | { readonly act: 'create' }
  /** Write the Lease if its version is still this. */
  | { readonly act: 'take' | 'renew'; readonly resourceVersion: string; readonly transitions: number }
  | { readonly act: 'wait' }
  | { readonly act: 'lost'; readonly holder: string }

export interface LeaseSituation {
  /** Unique to this process, not to its pod: a restarted process is another candidate. */
  readonly identity: string
  readonly isLeading: boolean
  readonly seen: LeaseView | undefined
  readonly observation: Observation | undefined
  readonly nowMs: number
}

export function decideLease({ identity, isLeading, seen, observation, nowMs }: LeaseSituation): LeaseAction {
  if (seen === undefined) return { act: 'create' }
  const { holder, resourceVersion, transitions } = seen
  if (holder === identity) return { act: isLeading ? 'renew' : 'take', resourceVersion, transitions }
  if (isLeading) return { act: 'lost', holder }
  const isExpired = observation !== undefined && nowMs - observation.sinceMs >= seen.durationMs
  if (holder === '' || isExpired) return { act: 'take', resourceVersion, transitions: transitions + 1 }
  return { act: 'wait' }
}

export function checkBounds({ durationMs, renewDeadlineMs, retryMs }: LeaseBounds): void {
  if (!(renewDeadlineMs < durationMs && retryMs * 2 <= renewDeadlineMs && retryMs > 0)) {
    throw new RangeError(
      `lease: duration ${durationMs} ms, renew deadline ${renewDeadlineMs} ms, retry ${retryMs} ms; expected 2 × retry ≤ deadline < duration`,
    )
  }
}
