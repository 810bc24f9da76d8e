import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PUT, rounds, sample } from './fixtures.ts'
import { rowOf } from './results.ts'

test('a ratio is the median of the rounds’ ratios, not the ratio of the medians', () => {
  const row = rowOf(PUT, 'etcd', [
    { ours: sample(10_000, 50), peer: sample(2500, 200) },
    { ours: sample(5000, 60), peer: sample(1000, 300) },
    { ours: sample(20_000, 40), peer: sample(10_000, 100) },
  ])
  assert.equal(row.ratio.opsPerSecond, 4)
  assert.deepEqual(row.ratio.spread.opsPerSecond, [2, 5])
  assert.equal(row.ratio.cpu, 0.25)
  assert.equal(row.ours.opsPerSecond, 10_000)
  assert.deepEqual(row.ours.spread.serverCpuUsPerOp, [40, 60])
})

test('a loader without CPU left, a second loader and failed calls are noted', () => {
  const [first] = rounds([1000, 50])
  assert.deepEqual(rowOf(PUT, 'etcd', first === undefined ? [] : [first]).notes, [])
  const tired = { ours: sample(1000, 50, { loaderCores: 0.97, loaders: 2 }), peer: sample(1000, 50, { errors: 4 }) }
  const { notes } = rowOf(PUT, 'etcd', [tired])
  assert.match(notes[0] ?? '', /2 loader processes/)
  assert.match(notes[1] ?? '', /0\.97 cores/)
  assert.match(notes[2] ?? '', /etcd: 4 calls failed/)
})
