import assert from 'node:assert/strict'
import { test } from 'node:test'
import { growingPercent } from './garbage.ts'

const MIB = 1024 ** 2

test('garbage is allowed in proportion to what lives, up to four times of it in all', () => {
  assert.equal(growingPercent(64 * MIB, 32 * MIB), 200)
  assert.equal(growingPercent(64 * MIB, 4 * MIB), 300)
  assert.equal(growingPercent(64 * MIB, 0), 300)
})

test('V8 chooses where the allowance is little beside what lives', () => {
  assert.equal(growingPercent(64 * MIB, 200 * MIB), 0)
})
