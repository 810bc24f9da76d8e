import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PUT, rounds, SIDES, sample } from './fixtures.ts'
import { rowOf } from './results.ts'

test('a ratio is the median of the rounds’ ratios, not the ratio of the medians', () => {
  const row = rowOf(PUT, SIDES, [
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
  assert.deepEqual(rowOf(PUT, SIDES, first === undefined ? [] : [first]).notes, [])
  const tired = { ours: sample(1000, 50, { loaderCores: 0.97, loaders: 2 }), peer: sample(1000, 50, { errors: 4 }) }
  const { notes } = rowOf(PUT, SIDES, [tired])
  assert.match(notes[0] ?? '', /2 loader processes/)
  assert.match(notes[1] ?? '', /0\.97 cores/)
  assert.match(notes[2] ?? '', /etcd: 4 calls failed/)
})

test('a peer’s loader is judged by the threads that it has', () => {
  const busy = (loaderCores: number) => rowOf(PUT, SIDES, [{ ours: sample(1000, 50), peer: sample(1000, 50, { loaderCores }) }]).notes
  assert.deepEqual(busy(1.2), [])
  assert.match(busy(1.9)[0] ?? '', /the loader of etcd used 1\.90 cores/)
})
