import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOpen, untilOpenMs } from './maintenance.ts'

const at = (text: string): number => Date.parse(`${text}Z`)
const HOUR_MS = 3_600_000

test('without windows any time will do', () => {
  assert.equal(isOpen([], at('2026-11-25T12:00')), true)
  assert.equal(untilOpenMs([], at('2026-11-25T12:00')), 0)
})

test('a window opens and closes on its days, to the minute', () => {
  // 2026-11-25 is a Wednesday.
  const windows = [{ days: ['Wed' as const], start: '02:30', duration: '90m' }]
  assert.equal(isOpen(windows, at('2026-11-25T02:29')), false)
  assert.equal(isOpen(windows, at('2026-11-25T02:30')), true)
  assert.equal(isOpen(windows, at('2026-11-25T03:59')), true)
  assert.equal(isOpen(windows, at('2026-11-25T04:00')), false)
  assert.equal(isOpen(windows, at('2026-11-26T02:45')), false)
  assert.equal(untilOpenMs(windows, at('2026-11-25T00:30')), 2 * HOUR_MS)
  assert.equal(untilOpenMs(windows, at('2026-11-26T02:30')), 6 * 24 * HOUR_MS)
})

test('a window may last over midnight and the end of the week', () => {
  const windows = [{ days: ['Sun' as const], start: '22:00', duration: '4h' }]
  assert.equal(isOpen(windows, at('2026-11-29T23:00')), true)
  assert.equal(isOpen(windows, at('2026-11-30T01:59')), true)
  assert.equal(isOpen(windows, at('2026-11-30T02:00')), false)
})
