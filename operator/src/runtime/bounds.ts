/** Bounds of the runtime: every queue, retry and request has one. Beside each stands what the simulator may set, if it may. */

const SECOND = 1000
const MINUTE = 60 * SECOND

/** Any request but a watch. */
export const REQUEST_TIMEOUT_MS = 30 * SECOND
/** Of the client that the elector is given: a request that hangs must not cost the lease, which is lost after 10 seconds. */
export const LEASE_REQUEST_TIMEOUT_MS = 4 * SECOND
/** Until the headers of a watch's answer. */
export const WATCH_OPEN_TIMEOUT_MS = 30 * SECOND
/** Objects of one page of a list. */
export const LIST_PAGE = 500
export const MAX_LIST_PAGES = 200
/** An answer, or one line of a watch. An object in etcd has at most 1.5 MB; a page of them is far below this. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** Retry-After above this is not believed. */
export const MAX_RETRY_AFTER_MS = 2 * MINUTE
/** Sockets kept open to the API server: watches and requests. */
export const MAX_SOCKETS = 64

export interface Backoff {
  readonly leastMs: number
  readonly mostMs: number
}

/**
 * How long to wait before attempt `failures + 1`: doubled from the least to the most, a random half of it taken off, so that
 * those who failed together don't come back together.
 */
export function backoffMs({ leastMs, mostMs }: Backoff, failures: number, chance: number): number {
  const full = Math.min(mostMs, leastMs * 2 ** Math.min(failures, 30))
  return full * (1 - chance / 2)
}

/** Informers: between attempts after a failure. */
export const WATCH_BACKOFF: Backoff = { leastMs: 500, mostMs: 30 * SECOND }
/** The server is asked to close a watch after this, plus up to as much again: a connection to a replaced server ends some day. */
export const WATCH_TIMEOUT_SECONDS = 300
/** Bookmarks come every minute; a watch that is silent for longer than this may be dead, and is opened anew. */
export const WATCH_SILENCE_MS = 3 * MINUTE
/** A watch that ended sooner is a failure, however peacefully it ended. */
export const WATCH_LEAST_MS = SECOND
/** After so many failures to go on with a watch, list anew: the version may be what the server chokes on. */
export const WATCH_FAILURES_BEFORE_LIST = 3

/** Queues: between attempts at one key. */
export const RETRY_BACKOFF: Backoff = { leastMs: 500, mostMs: 5 * MINUTE }
/** A pass that wants to look again at once waits this long: a loop that is wrong then costs little. */
export const AGAIN_LEAST_MS = 100
export const MAX_WORKERS = 64

/** Events: kinds of events remembered, and the bucket that writes of them are taken from. */
export const MAX_EVENTS = 1024
export const EVENT_BURST = 50
export const EVENTS_PER_SECOND = 1
/** A repeat after this long is a new event: the server forgets them after an hour. */
export const EVENT_REPEAT_MS = 30 * MINUTE
export const MAX_EVENT_MESSAGE = 1024
