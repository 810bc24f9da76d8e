import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes, formatDuration, parseBytes, parseDuration } from './quantity.ts'

test('what is written is what was read, in the largest unit that says it exactly', () => {
  for (const [bytes, text] of [
    [0, '0'],
    [1, '1'],
    [1536, '1536'],
    [10 * 1024 ** 3, '10Gi'],
    [1.5 * 1024 ** 3, '1536Mi'],
  ] as const) {
    assert.equal(formatBytes(bytes), text)
    assert.equal(parseBytes(text), bytes)
  }
  for (const [ms, text] of [
    [1500, '1500ms'],
    [90_000, '90s'],
    [5_400_000, '90m'],
    [86_400_000, '1d'],
  ] as const) {
    assert.equal(formatDuration(ms), text)
    assert.equal(parseDuration(text), ms)
  }
})
