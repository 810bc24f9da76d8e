import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cpuSeconds, cpuTicks } from './processes.ts'

test('the CPU time is found behind a process name with brackets and spaces', () => {
  assert.equal(cpuTicks('7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 120 34 0 0 20 0 1 0 5 0 0'), 154)
})

test('a process that has ended is an error, not a zero', () => {
  assert.throws(() => cpuSeconds([2 ** 22 + 1]), /ENOENT/)
})
