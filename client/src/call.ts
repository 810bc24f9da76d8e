/**
 * A call: one request of the caller with all its attempts. The dispatcher moves it from phase to phase; a connection
 * encodes it straight into its frame and hands it the answer. A call knows how to write its body, to read its answer and
 * to describe itself; it decides nothing.
 */
import { type ByteReader, type ByteWriter, ERRORS, type ErrorCode, ThermoclineError } from '@thermocline/protocol'
import type { Connection } from './connection.ts'
import type { Timed } from './timer-wheel.ts'

export const Phase = {
  /** Waits for the first topology, or to be routed again. */
  paused: 0,
  /** A write that waits for the index of its block. */
  stamp: 1,
  /** In the queue of a connection. */
  queued: 2,
  /** On the wire. */
  sent: 3,
  done: 4,
} as const

/** What a call asks of the dispatcher when its time has come. */
export interface CallOwner {
  wake(call: Call, nowMs: number): void
}

export abstract class Call implements Timed {
  abstract readonly operation: number
  /** The block it is routed by; −1 for a call that is pinned to one connection. */
  readonly block: number
  readonly deadlineMs: number
  readonly isWrite: boolean = false
  /** A read that the memory tier may answer. */
  readonly isCacheable: boolean = false
  phase: number = Phase.paused
  /** About how many bytes of a frame it takes. */
  bytes = 64
  /** Where the current attempt is queued or in flight. */
  connection: Connection | undefined
  correlation = 0
  attemptTimeoutMs: number
  /** When the current attempt was queued or sent. */
  attemptBeganMs = 0
  /** Attempts that were put on a wire. */
  attempts = 0
  /** Of those, the ones whose fate is open: they may still be applied. */
  unresolved = 0
  /** The replica that is asked first, whatever the block's order; −1 for none. */
  readonly preferred: number = -1
  /** Replicas tried in this round, as bits. */
  tried = 0
  /** Machines of its memory group that were tried, as bits; −1 once the storage tier is to answer. */
  memoryTried = -1
  /** Rounds over the replicas that failed. */
  rounds = 0
  /** What the last failed attempt said. */
  lastFailure: string | undefined

  wakeAtMs = 0
  wheelSlot = 0
  wheelNext: Timed | undefined = undefined
  wheelPrevious: Timed | undefined = undefined

  private readonly owner: CallOwner
  /** Undoes what ties the call to its AbortSignal. */
  untie: (() => void) | undefined

  constructor(owner: CallOwner, block: number, deadlineMs: number, attemptTimeoutMs: number) {
    this.owner = owner
    this.block = block
    this.deadlineMs = deadlineMs
    this.attemptTimeoutMs = attemptTimeoutMs
  }

  onWake(nowMs: number): void {
    this.owner.wake(this, nowMs)
  }

  /** Of a read that the memory tier may answer: the oldest record that it is about, in Unix milliseconds. */
  get fromMs(): number {
    return 0
  }

  /** Appends the body of the request. */
  abstract encode(writer: ByteWriter): void
  /** Reads the answer and resolves. @throws DecodeError */
  abstract answer(reader: ByteReader): void
  abstract reject(error: ThermoclineError): void
  /** For messages: `put "alice" 5-0`. */
  abstract describe(): string

  /** The error that ends this call. What a write may assume follows from its attempts, not from the last one alone. */
  failure(code: ErrorCode, message: string, details: { retryAfterMs?: number; currentVersion?: number; cause?: unknown } = {}) {
    const text = `${this.describe()}: ${message}`
    if (!this.isWrite) return new ThermoclineError(code, text, { ...details, outcome: 'not' })
    const outcome = code === 'precondition_failed' ? 'not' : this.unresolved > 0 ? 'maybe' : settled(code)
    return new ThermoclineError(code, text, { ...details, outcome })
  }
}

/** What the code says of a write none of whose attempts is open. */
function settled(code: ErrorCode): 'not' | 'maybe' | 'did' {
  return code === 'deadline_exceeded' || code === 'cancelled' ? 'not' : ERRORS[code].outcome
}
