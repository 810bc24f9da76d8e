import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
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
function wheelOf(t: TestContext): { wheel: TimerWheel; nowMs: () => number; pass: (ms: number) => void } {
  let nowMs = 1000
  t.mock.method(performance, 'now', () => nowMs)
  const wheel = new TimerWheel()
  const turn = (): void => (wheel as unknown as { turn(nowMs: number): void }).turn(nowMs)
  const pass = (ms: number): void => {
    for (const endMs = nowMs + ms; nowMs < endMs; turn()) nowMs += WHEEL_TICK_MS
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
  test(`an item wakes at ${what}: once, never early, at most two ticks late`, (t) => {
    const { wheel, nowMs, pass } = wheelOf(t)
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

test('an item that was taken out does not wake', (t) => {
  const { wheel, nowMs, pass } = wheelOf(t)
  const [stays, goes] = [new Item(), new Item()]
  wheel.set(goes, nowMs() + 100)
  wheel.set(stays, nowMs() + 100)
  wheel.set(goes, nowMs() + 200)
  assert.equal(wheel.items().length, 2)
  wheel.clear(goes)
  pass(500)
  assert.deepEqual([goes.woken.length, stays.woken.length], [0, 1])
})
