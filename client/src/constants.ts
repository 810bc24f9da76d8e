/** Named bounds of the client. Options of `connect` override those that a caller may want to change. */

export const DEFAULT_TIMEOUT_MS = 10_000
/** How long an attempt waits for its answer before the next replica is asked; doubles with every attempt of a call. */
export const DEFAULT_ATTEMPT_TIMEOUT_MS = 1000
export const MAX_ATTEMPT_TIMEOUT_MS = 8000
/**
 * A call whose connection has brought nothing at all since it was sent asks the next replica, too, after this: a replica that is
 * frozen says nothing, and one that is only slow answers others.
 */
export const HEDGE_MS = 50
/** How long a replica is passed over for a block that it said it only learns. */
export const LEARNING_MS = 2000
/** How long a connection may take from SYN to helloOk. */
export const CONNECT_TIMEOUT_MS = 1000

/** Backoff between rounds over the replicas: full jitter below base · 2^round, at most the cap. */
export const BACKOFF_BASE_MS = 8
export const BACKOFF_CAP_MS = 500
/** Demotion of a replica that failed: base · 2^failures with jitter, at most the cap. */
export const DEMOTION_BASE_MS = 50
export const DEMOTION_CAP_MS = 5000
/** How long a replica on trial is asked by no other call. */
export const TRIAL_MS = 1000
/** A connection that owes answers and sent nothing for this long is closed. */
export const STALL_MS = 4000

/** Requests and bytes of requests in flight per connection; what comes beyond waits in the client. */
export const MAX_IN_FLIGHT_REQUESTS = 16_384
export const MAX_IN_FLIGHT_BYTES = 16 * 1024 * 1024
/** A frame is closed at this size, so that large values do not make small answers wait for one giant frame. */
export const FRAME_TARGET_BYTES = 1024 * 1024
/** Calls that one client may have open; one more is refused as `overloaded`. */
export const MAX_OPEN_CALLS = 262_144

/** What the buffer that frames are written into begins with. */
export const WRITER_BYTES = 16 * 1024

/** How long one long poll for a newer topology waits. */
export const WATCH_WAIT_MS = 20_000
export const WATCH_BACKOFF_MS = 100
export const WATCH_BACKOFF_CAP_MS = 2000

/** Series whose bytes and block are remembered. */
export const SERIES_CACHE_ENTRIES = 8192

/** Times a request that was never applied is stamped anew before `expired` is reported. */
export const MAX_RESTAMPS = 3

/** Resolution and slots of the timer wheel; later times go round. */
export const WHEEL_TICK_MS = 16
export const WHEEL_SLOTS = 512
