/**
 * Whether a log write is handed to the kernel by the event loop, or by a thread that may wait.
 *
 * `io_submit` waits while the device's queue is full, and the loop with it. With RWF_NOWAIT the
 * kernel refuses every write, not only those that would wait (decision 8). So a hand-over that waited long is taken for a full queue,
 * and for a while threads make the writes: the loop is held up once in that while, by one write.
 */

/** A hand-over takes 15 µs. One that takes this long, and not because the machine gave the processor to others, found the queue full. */
const SLOW_MS = 2
const BY_THREAD_MS = 250

export class SubmitPath {
  private byThreadUntilMs = Number.NEGATIVE_INFINITY

  isByThread(nowMs: number): boolean {
    return nowMs < this.byThreadUntilMs
  }

  /** The event loop has handed over a write, and the kernel let it wait for that or not. */
  noteHandOver(beganMs: number, endedMs: number, hasWaited: boolean): void {
    if (hasWaited && endedMs - beganMs >= SLOW_MS) this.byThreadUntilMs = endedMs + BY_THREAD_MS
  }
}
