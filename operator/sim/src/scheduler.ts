/**
 * Time of one simulation: a queue of events ordered by (time, sequence). After each, all reactions to promises run before
 * the next, so that one seed gives one run.
 */
import { EventQueue, Random, settle, type TimedEvent } from '@thermocline/simulation'
import type { Clock } from '../../src/runtime/ports.ts'

interface Event extends TimedEvent {
  readonly run: () => void
  isCancelled: boolean
}

/** What `wallMs` says at the start. */
const EPOCH_MS = Date.UTC(2026, 0, 1)

export class Scheduler {
  readonly random: Random
  nowMs = 0
  events = 0
  private sequence = 0
  private readonly queue = new EventQueue<Event>()

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  get wallMs(): number {
    return EPOCH_MS + this.nowMs
  }

  after(delayMs: number, run: () => void): () => void {
    const event = { atMs: this.nowMs + Math.max(0, delayMs), sequence: this.sequence++, run, isCancelled: false }
    this.queue.push(event)
    return () => {
      event.isCancelled = true
    }
  }

  /** Until it is told to stop, at uneven distances around `everyMs`. */
  every(everyMs: number, run: () => void): () => void {
    let cancel = (): void => {}
    const arm = (): void => {
      cancel = this.after(everyMs * (0.8 + 0.4 * this.random.next()), () => {
        run()
        arm()
      })
    }
    arm()
    return () => cancel()
  }

  /** Of a process whose clock runs at its own rate and whose wall clock is off. */
  clock(rate = 1, wallOffsetMs = 0): Clock {
    return {
      nowMs: () => this.nowMs * rate,
      wallMs: () => this.wallMs + wallOffsetMs,
      after: (delayMs, run) => this.after(delayMs / rate, run),
    }
  }

  /** Runs what happens within `forMs`, or until `isDone` says so after an event. */
  async run(forMs: number, isDone: () => boolean = () => false): Promise<void> {
    const untilMs = this.nowMs + forMs
    // What was started before the first event.
    await settle()
    for (let event = this.queue.first; event !== undefined && event.atMs <= untilMs && !isDone(); event = this.queue.first) {
      this.queue.pop()
      if (event.isCancelled) continue
      this.nowMs = event.atMs
      this.events++
      event.run()
      await settle()
    }
    if (!isDone()) this.nowMs = untilMs
  }
}
