import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareResults } from './compare.ts'
import { results, rounds, sample } from './fixtures.ts'

const before = results(...rounds([10_000, 50], [11_000, 52], [10_500, 51]))

test('figures within the limits pass', () => {
  const { compared, regressions } = compareResults(before, results(...rounds([9500, 53], [9600, 54], [9800, 54])))
  assert.deepEqual(compared, ['put, 128 clients'])
  assert.deepEqual(regressions, [])
})

test('a worse median and worse rounds throughout are named', () => {
  const { regressions } = compareResults(before, results(...rounds([7000, 60], [7500, 61], [7200, 62])))
  assert.equal(regressions.length, 2)
  assert.match(regressions[0] ?? '', /^put, 128 clients: CPU 51 → 61 µs\/op \(\+20 %\)/)
  assert.match(regressions[1] ?? '', /ops\/s 10500 → 7200 \(−31 %\)/)
})

test('one round as good as before is within the spread', () => {
  assert.deepEqual(compareResults(before, results(...rounds([7000, 60], [10_100, 51], [7200, 62]))).regressions, [])
})

test('a slower machine, which slows the peer as much, is no regression', () => {
  const slower = results({ ours: sample(5000, 100), peer: sample(2500, 400) })
  assert.deepEqual(compareResults(before, slower).regressions, [])
})

test('a workload that only one side has, or beside another peer, is not compared', () => {
  const other = { ...before, rows: before.rows.map((row) => ({ ...row, peer: { ...row.peer, name: 'redis' } })) }
  assert.deepEqual(compareResults(other, before).compared, [])
  assert.deepEqual(compareResults({ ...before, rows: [] }, before), { compared: [], regressions: [] })
})
