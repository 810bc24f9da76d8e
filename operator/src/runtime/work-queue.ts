/**
 * The keys that wait for a reconcile. Pure: time and chance are handed in.
 *
 * A key is queued once, however often it is added; it is never given to two workers; added while it is worked on, it comes
 * again afterwards, since the worker may have read before the change. A key that fails comes back later and later, until
 * `forget`. The queue is as long as there are keys: objects of one kind, bounded by what the API server holds.
 *
 * Invariant: a key is in at most one of ready and processing; dirty ⊆ processing.
 */
import { type Backoff, backoffMs, RETRY_BACKOFF } from './bounds.ts'

export class WorkQueue {
  private readonly backoff: Backoff
  /** In the order of their turn. */
  private readonly ready = new Set<string>()
  private readonly processing = new Set<string>()
  private readonly dirty = new Set<string>()
  /** Key → when it becomes ready; the earliest of what was asked for. */
  private readonly waiting = new Map<string, number>()
  private readonly failures = new Map<string, number>()

  constructor(backoff: Backoff = RETRY_BACKOFF) {
    this.backoff = backoff
  }

  add(key: string): void {
    this.waiting.delete(key)
    if (this.processing.has(key)) this.dirty.add(key)
    else this.ready.add(key)
  }

  /** Later, unless something brings the key sooner. */
  addAt(key: string, atMs: number): void {
    if (this.ready.has(key) || this.dirty.has(key)) return
    this.waiting.set(key, Math.min(atMs, this.waiting.get(key) ?? atMs))
  }

  /** After a failure: later each time; not before `notBeforeMs`. */
  retry(key: string, nowMs: number, chance: number, notBeforeMs = 0): void {
    const failures = this.failures.get(key) ?? 0
    this.failures.set(key, failures + 1)
    this.addAt(key, Math.max(notBeforeMs, nowMs + backoffMs(this.backoff, failures, chance)))
  }

  /** After a success: the next failure is the first. */
  forget(key: string): void {
    this.failures.delete(key)
  }

  failuresOf(key: string): number {
    return this.failures.get(key) ?? 0
  }

  /** The next key, now being processed until `done`. */
  take(nowMs: number): string | undefined {
    this.wake(nowMs)
    const [key] = this.ready
    if (key === undefined) return undefined
    this.ready.delete(key)
    this.processing.add(key)
    return key
  }

  done(key: string): void {
    this.processing.delete(key)
    if (!this.dirty.delete(key)) return
    this.waiting.delete(key)
    this.ready.add(key)
  }

  /** When `take` has something to give; undefined: not before an `add` or a `done`. */
  nextAtMs(nowMs: number): number | undefined {
    if (this.ready.size > 0) return nowMs
    let next: number | undefined
    for (const [key, atMs] of this.waiting) {
      if (!this.processing.has(key) && (next === undefined || atMs < next)) next = atMs
    }
    return next
  }

  /** Keys that could be worked on now. */
  get depth(): number {
    return this.ready.size + this.dirty.size
  }

  /** What waits and is due becomes ready, in the order of its time. */
  private wake(nowMs: number): void {
    const due = [...this.waiting].filter(([, atMs]) => atMs <= nowMs).sort(([, a], [, b]) => a - b)
    for (const [key] of due) this.add(key)
  }
}
