/** What is due next in a simulation: a binary heap of events ordered by (time, sequence), so that equal times keep an order. */
export interface TimedEvent {
  readonly atMs: number
  /** Of no two events the same. */
  readonly sequence: number
}

export class EventQueue<E extends TimedEvent> {
  private readonly heap: E[] = []

  /** The one that is due first, undefined if there is none. */
  get first(): E | undefined {
    return this.heap[0]
  }

  push(event: E): void {
    const { heap } = this
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent] as E)) break
      heap[at] = heap[parent] as E
      at = parent
    }
    heap[at] = event
  }

  /** Takes the one that is due first, undefined if there is none. */
  pop(): E | undefined {
    const { heap } = this
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as E, heap[child] as E)) child++
      if (!isBefore(heap[child] as E, last)) break
      heap[at] = heap[child] as E
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(a: TimedEvent, b: TimedEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}

/** Lets all reactions to resolved promises run: between two events, so that one seed gives one run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
