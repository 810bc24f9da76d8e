/**
 * Time and chance of one simulation: an event queue ordered by (time, sequence), and a random number generator with a
 * seed. Everything that happens in a run is an event; the same seed gives the same events, and the same trace hash.
 */
import { EventQueue, Random, settle, type TimedEvent } from '@thermocline/simulation'

interface Event extends TimedEvent {
  readonly run: () => void
}

export class Scheduler {
  readonly random: Random
  nowMs = 0
  private sequence = 0
  private readonly queue = new EventQueue<Event>()
  /** Set by whatever resolves promises: the loop then lets their reactions run before the next event. */
  hasReactions = false
  events = 0
  /** A running hash of what happened, in order. */
  traceHash = 0

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  at(delayMs: number, run: () => void): void {
    this.queue.push({ atMs: this.nowMs + Math.max(0, delayMs), sequence: this.sequence++, run })
  }

  trace(what: number): void {
    this.traceHash = (Math.imul(this.traceHash, 31) + what) | 0
  }

  /** Runs events until `untilMs`, or until `isDone` says so after one. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    for (;;) {
      const event = this.queue.first
      if (event !== undefined && isDone()) return
      if (event === undefined || event.atMs > untilMs) break
      this.queue.pop()
      this.nowMs = event.atMs
      this.events++
      this.trace(Math.floor(event.atMs * 1000) ^ event.sequence)
      event.run()
      if (this.hasReactions) await this.settle()
    }
    this.nowMs = Math.max(this.nowMs, untilMs)
  }

  /** Lets all reactions to resolved promises run. */
  async settle(): Promise<void> {
    this.hasReactions = false
    await settle()
  }
}
