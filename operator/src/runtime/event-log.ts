/**
 * Which Kubernetes Events to write, and when: repeats become a count, and a token bucket bounds how many are written. Pure:
 * time is handed in. What finds no token waits, and is counted meanwhile; the oldest kinds are forgotten.
 */
import { EVENT_BURST, EVENT_REPEAT_MS, EVENTS_PER_SECOND, MAX_EVENT_MESSAGE, MAX_EVENTS } from './bounds.ts'
import type { KubeObject } from './ports.ts'

export interface Happening {
  /** What it is about: kind, name, uid are told. */
  readonly object: KubeObject
  readonly type: 'Normal' | 'Warning'
  /** One word in CamelCase. */
  readonly reason: string
  readonly message: string
}

/** One Event as the server shall have it. */
export interface EventEntry extends Happening {
  readonly key: string
  count: number
  readonly firstMs: number
  lastMs: number
  /** Its name on the server, once written. */
  writtenAs: string | undefined
  isDue: boolean
}

export class EventLog {
  private readonly entries = new Map<string, EventEntry>()
  private tokens = EVENT_BURST
  private filledMs: number | undefined

  /** `wallMs` stands in the Event. */
  note(happening: Happening, wallMs: number): void {
    const message = happening.message.slice(0, MAX_EVENT_MESSAGE)
    const { object, type, reason } = happening
    const { namespace = '', name, uid = '' } = object.metadata
    const key = JSON.stringify([object.kind, namespace, name, uid, type, reason, message])
    const known = this.entries.get(key)
    this.entries.delete(key)
    if (known !== undefined && wallMs - known.lastMs < EVENT_REPEAT_MS) {
      known.count++
      known.lastMs = wallMs
      known.isDue = true
      this.entries.set(key, known)
      return
    }
    const entry = { object, type, reason, message, key, count: 1, firstMs: wallMs, lastMs: wallMs, writtenAs: undefined, isDue: true }
    this.entries.set(key, entry)
    const [oldest] = this.entries.keys()
    if (this.entries.size > MAX_EVENTS && oldest !== undefined) this.entries.delete(oldest)
  }

  /** The next to write, or how long to wait for it; undefined: nothing is due. */
  next(nowMs: number): EventEntry | { readonly waitMs: number } | undefined {
    const entry = [...this.entries.values()].find(({ isDue }) => isDue)
    if (entry === undefined) return undefined
    const gained = ((nowMs - (this.filledMs ?? nowMs)) / 1000) * EVENTS_PER_SECOND
    this.tokens = Math.min(EVENT_BURST, this.tokens + gained)
    this.filledMs = nowMs
    if (this.tokens < 1) return { waitMs: ((1 - this.tokens) / EVENTS_PER_SECOND) * 1000 + 1 }
    this.tokens--
    entry.isDue = false
    return entry
  }
}
