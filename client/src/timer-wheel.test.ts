import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '@thermocline/protocol'
import { WHEEL_SLOTS, WHEEL_TICK_MS } from './constants.ts'
import { type Timed, TimerWheel } from './timer-wheel.ts'

class Item implements Timed {
  wakeAtMs = 0
  wheelSlot = 0
  wheelNext: Timed | undefined = undefined
  wheelPrevious: Timed | undefined = undefined
  woken: number[] = []
  onWake(nowMs: number): void {
    this.woken.push(nowMs)
  }
}

/** A wheel that is turned by hand. */
function wheelByHand(): { wheel: TimerWheel; nowMs: () => number; pass: (ms: number) => void } {
  let nowMs = 1000
  let turn: (() => void) | undefined
  const every: Clock['every'] = (_everyMs, run) => {
    turn = run
    return () => {
      turn = undefined
    }
  }
  const none = (): never => assert.fail('the wheel has no other use for a clock')
  const wheel = new TimerWheel({ nowMs: () => nowMs, every, wallMs: none, soon: none, after: none })
  const pass = (ms: number): void => {
    for (const endMs = nowMs + ms; nowMs < endMs; turn?.()) nowMs += WHEEL_TICK_MS
  }
  return { wheel, nowMs: () => nowMs, pass }
}

for (const [what, moments, due] of [
  ['the moment it was set to', [200], 200],
  ['a later one, if it was set to that since', [200, 400, 900], 900],
  ['an earlier one, if it was set to that since', [900, 400], 400],
  ['the last one, whatever came between', [500, 900, 300, 700], 700],
  ['one beyond a round of the wheel', [10, WHEEL_SLOTS * WHEEL_TICK_MS * 2.5], WHEEL_SLOTS * WHEEL_TICK_MS * 2.5],
] as const) {
  test(`an item wakes at ${what}: once, never early, at most two ticks late`, () => {
    const { wheel, nowMs, pass } = wheelByHand()
    const began = nowMs()
    const item = new Item()
    for (const ms of moments) wheel.set(item, began + ms)
    assert.equal(wheel.size, 1)
    pass(due + 10 * WHEEL_TICK_MS)
    assert.equal(item.woken.length, 1)
    const late = (item.woken[0] as number) - began - due
    assert.ok(late >= 0 && late <= 2 * WHEEL_TICK_MS, `${late} ms late`)
    assert.equal(wheel.size, 0)
  })
}

test('an item that was taken out does not wake', () => {
  const { wheel, nowMs, pass } = wheelByHand()
  const [stays, goes] = [new Item(), new Item()]
  wheel.set(goes, nowMs() + 100)
  wheel.set(stays, nowMs() + 100)
  wheel.set(goes, nowMs() + 200)
  assert.equal(wheel.items().length, 2)
  wheel.clear(goes)
  pass(500)
  assert.deepEqual([goes.woken.length, stays.woken.length], [0, 1])
})
