import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOptions } from './options.ts'

const DEFAULTS = { out: 'out.json', folder: 'data' }

test('defaults, and shorter ones with --quick', () => {
  const { rounds, seconds, isQuick, out } = parseOptions([], DEFAULTS)
  assert.deepEqual({ rounds, seconds, isQuick, out }, { rounds: 3, seconds: 4, isQuick: false, out: 'out.json' })
  assert.equal(parseOptions(['--quick'], DEFAULTS).rounds, 1)
  assert.equal(parseOptions(['--quick', '--rounds', '5'], DEFAULTS).rounds, 5)
})

test('numbers are checked', () => {
  assert.throws(() => parseOptions(['--rounds', '1.5'], DEFAULTS), /--rounds: 1\.5/)
  assert.throws(() => parseOptions(['--seconds', 'long'], DEFAULTS), /--seconds: long/)
})
