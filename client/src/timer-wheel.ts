/**
 * One timer for all calls of a client. Every open call stands in the wheel with the next moment something is due for it:
 * the end of its attempt, of its pause, or its deadline. Setting and clearing are O(1) on an intrusive list, so a call
 * that is answered in time costs no timer. Due calls wake up to a tick late, never early.
 */
import type { Clock } from '@thermocline/protocol'
import { WHEEL_SLOTS, WHEEL_TICK_MS } from './constants.ts'

/** What can stand in the wheel; the fields belong to the wheel. */
export interface Timed {
  /** The moment, as `Clock.nowMs` has it. */
  wakeAtMs: number
  /** Slot + 1, or 0 when not in the wheel. */
  wheelSlot: number
  wheelNext: Timed | undefined
  wheelPrevious: Timed | undefined
  onWake(nowMs: number): void
}

export class TimerWheel {
  /** How many stand in the wheel. */
  size = 0
  private readonly slots: (Timed | undefined)[] = new Array(WHEEL_SLOTS).fill(undefined)
  private readonly clock: Clock
  private tick = 0
  /** Stops the turning; undefined while nothing stands in the wheel. */
  private stop: (() => void) | undefined

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Moves `item` to `atMs`, whether it stands in the wheel or not. */
  set(item: Timed, atMs: number): void {
    if (item.wheelSlot !== 0) {
      // To a later moment it moves when the turn comes to where it stands.
      if (atMs >= item.wakeAtMs) {
        item.wakeAtMs = atMs
        return
      }
      this.clear(item)
    }
    item.wakeAtMs = atMs
    if (this.stop === undefined) this.start()
    this.insert(item)
    this.size++
  }

  clear(item: Timed): void {
    if (item.wheelSlot === 0) return
    const { wheelNext: next, wheelPrevious: previous } = item
    if (previous === undefined) this.slots[item.wheelSlot - 1] = next
    else previous.wheelNext = next
    if (next !== undefined) next.wheelPrevious = previous
    item.wheelSlot = 0
    item.wheelNext = undefined
    item.wheelPrevious = undefined
    this.size--
  }

  /** All items, as an array that later changes do not touch. */
  items(): Timed[] {
    const all: Timed[] = []
    for (const head of this.slots) for (let item = head; item !== undefined; item = item.wheelNext) all.push(item)
    return all
  }

  private start(): void {
    const { clock } = this
    this.tick = Math.floor(clock.nowMs() / WHEEL_TICK_MS)
    this.stop = clock.every(WHEEL_TICK_MS, () => this.turn(clock.nowMs()))
  }

  private insert(item: Timed): void {
    const due = Math.max(Math.ceil(item.wakeAtMs / WHEEL_TICK_MS), this.tick + 1)
    const slot = Math.min(due, this.tick + WHEEL_SLOTS - 1) % WHEEL_SLOTS
    const head = this.slots[slot]
    item.wheelNext = head
    item.wheelPrevious = undefined
    if (head !== undefined) head.wheelPrevious = item
    this.slots[slot] = item
    item.wheelSlot = slot + 1
  }

  private turn(nowMs: number): void {
    const until = Math.floor(nowMs / WHEEL_TICK_MS)
    if (until - this.tick > WHEEL_SLOTS) this.tick = until - WHEEL_SLOTS
    while (this.tick < until) {
      this.tick++
      this.wakeSlot(this.tick % WHEEL_SLOTS, nowMs)
    }
    if (this.size > 0) return
    this.stop?.()
    this.stop = undefined
  }

  private wakeSlot(slot: number, nowMs: number): void {
    for (;;) {
      const item = this.slots[slot]
      if (item === undefined) return
      this.clear(item)
      if (item.wakeAtMs <= nowMs) {
        item.onWake(nowMs)
      } else {
        this.insert(item)
        this.size++
      }
    }
  }
}
