/** Time, as it is handed in to the client library and to nodes: the real one, or a simulation's. */
export interface Clock {
  /** Monotonic milliseconds: time-outs and back-off. */
  nowMs(): number
  /** Unix milliseconds: ids of appends, age of answers. */
  wallMs(): number
  /** Calls `run` once, after the input that is at hand now has been taken. */
  soon(run: () => void): void
  /** Calls `run` once, after `delayMs`; returns what cancels that. A process that has nothing else to do does not wait for it. */
  after(delayMs: number, run: () => void): () => void
  /** Calls `run` every `everyMs`; returns what stops it. The process runs until then. */
  every(everyMs: number, run: () => void): () => void
}
