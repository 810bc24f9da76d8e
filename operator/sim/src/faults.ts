/** What may go wrong between a client and the API server: probabilities per request or per watch event, and delays. */

type Range = readonly [number, number]

export interface Faults {
  /** Of a request, there and back. */
  readonly latencyMs: Range
  /** Of an event on a watch; each watch has its own, so kinds are seen out of order. */
  readonly watchDelayMs: Range
  /** 500 or 503; nothing was done. */
  readonly serverError: number
  /** 429 with Retry-After; nothing was done. */
  readonly tooMany: number
  /** No answer, and nothing was done. */
  readonly unreachable: number
  /** No answer, but it was done: at once, or after the client gave up. */
  readonly answerLost: number
  /** 409 on a write that carries a version or creates, though nobody else wrote. */
  readonly conflict: number
  /** A list shows an older state. */
  readonly staleList: number
  /** A watch breaks instead of delivering an event. */
  readonly watchBreak: number
  /** A watch says 410 instead of delivering an event. */
  readonly watchGone: number
  /** A watch goes silent and does not end. */
  readonly watchSilence: number
  /** Bookmarks come this often. */
  readonly bookmarkMs: number
}

export const NO_FAULTS: Faults = {
  latencyMs: [1, 20],
  watchDelayMs: [1, 20],
  serverError: 0,
  tooMany: 0,
  unreachable: 0,
  answerLost: 0,
  conflict: 0,
  staleList: 0,
  watchBreak: 0,
  watchGone: 0,
  watchSilence: 0,
  bookmarkMs: 60_000,
}

/** Each fault alone, by name: what tests go through. */
export const FAULTS = {
  none: {},
  slow: { latencyMs: [1, 5000] },
  'late events': { watchDelayMs: [1, 20_000] },
  'server errors': { serverError: 0.3 },
  'too many requests': { tooMany: 0.3 },
  unreachable: { unreachable: 0.3 },
  'lost answers': { answerLost: 0.3 },
  conflicts: { conflict: 0.3 },
  'stale lists': { staleList: 0.5, watchGone: 0.1 },
  'broken watches': { watchBreak: 0.2 },
  'gone watches': { watchGone: 0.2 },
  'silent watches': { watchSilence: 0.1 },
} as const satisfies Record<string, Partial<Faults>>

/** A bit of everything. */
export const ALL_FAULTS: Faults = {
  latencyMs: [1, 500],
  watchDelayMs: [1, 2000],
  serverError: 0.03,
  tooMany: 0.02,
  unreachable: 0.03,
  answerLost: 0.03,
  conflict: 0.03,
  staleList: 0.1,
  watchBreak: 0.03,
  watchGone: 0.02,
  watchSilence: 0.005,
  bookmarkMs: 60_000,
}
