/**
 * Time and chance of one simulation: an event queue ordered by (time, sequence), and a random number generator with a
 * seed. Everything that happens in a run is an event; the same seed gives the same events, and the same trace hash.
 */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) >>> 0
  }

  /** A number in [0, 1): mulberry32. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  hex(bytes: number): string {
    let text = ''
    for (let i = 0; i < bytes; i++) text += this.below(256).toString(16).padStart(2, '0')
    return text
  }
}

interface Event {
  readonly atMs: number
  readonly sequence: number
  readonly run: () => void
}

export class Scheduler {
  readonly random: Random
  nowMs = 0
  private sequence = 0
  private readonly heap: Event[] = []
  /** Set by whatever resolves promises: the loop then lets their reactions run before the next event. */
  hasReactions = false
  events = 0
  /** A running hash of what happened, in order. */
  traceHash = 0

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  at(delayMs: number, run: () => void): void {
    this.push({ atMs: this.nowMs + Math.max(0, delayMs), sequence: this.sequence++, run })
  }

  trace(what: number): void {
    this.traceHash = (Math.imul(this.traceHash, 31) + what) | 0
  }

  /** Runs events until `untilMs`, or until `isDone` says so after one. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    for (;;) {
      const event = this.heap[0]
      if (event === undefined || event.atMs > untilMs || isDone()) break
      this.pop()
      this.nowMs = event.atMs
      this.events++
      this.trace(Math.floor(event.atMs * 1000) ^ event.sequence)
      event.run()
      if (this.hasReactions) await this.settle()
    }
    if (this.nowMs < untilMs && !isDone()) this.nowMs = untilMs
  }

  /** Lets all reactions to resolved promises run. */
  async settle(): Promise<void> {
    this.hasReactions = false
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }

  private push(event: Event): void {
    const { heap } = this
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(event, heap[parent] as Event)) break
      heap[at] = heap[parent] as Event
      at = parent
    }
    heap[at] = event
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!before(heap[child] as Event, last)) break
      heap[at] = heap[child] as Event
      at = child
    }
    heap[at] = last
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}
