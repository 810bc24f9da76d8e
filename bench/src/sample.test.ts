import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LoaderSample, mergedQuantile, mergeSamples, quantilesOf } from './sample.ts'

const part = (values: readonly number[], rest: Partial<LoaderSample> = {}): LoaderSample => ({
  calls: values.length,
  operations: values.length,
  seconds: 2,
  serverCpuSeconds: 1,
  loaderCpuSeconds: 0.5,
  errors: 0,
  quantilesMs: quantilesOf(values),
  ...rest,
})

test('quantiles begin with the least and end with the most', () => {
  const quantiles = quantilesOf([1, 2, 3])
  assert.equal(quantiles.length, 1001)
  assert.deepEqual([quantiles[0], quantiles[500], quantiles[1000]], [1, 2, 3])
  assert.deepEqual(quantilesOf([]), [])
})

test('a merged quantile counts each loader by its calls', () => {
  const many = part(Array.from({ length: 900 }, () => 1))
  const few = part(Array.from({ length: 100 }, () => 50))
  assert.equal(mergedQuantile([many, few], 0.5), 1)
  assert.equal(mergedQuantile([many, few], 0.95), 50)
})

test('loaders that ran together are added up, the CPU of the servers that both saw is not', () => {
  const merged = mergeSamples([part([1, 1, 1, 1]), part([2, 2, 2, 2], { errors: 3, loaderCpuSeconds: 1.9 })])
  assert.equal(merged.opsPerSecond, 4)
  assert.equal(merged.serverCpuUsPerOp, 125_000)
  assert.equal(merged.loaderCores, 0.95)
  assert.equal(merged.errors, 3)
  assert.equal(merged.loaders, 2)
})

test('writes of a mix have quantiles of their own', () => {
  const mixed = part([1, 1, 1], { calls: 5, writes: { calls: 2, quantilesMs: quantilesOf([7, 9]) } })
  const { p50Ms, p99Ms, writeP50Ms, writeP99Ms } = mergeSamples([mixed, part([1])])
  assert.deepEqual({ p50Ms, p99Ms, writeP50Ms, writeP99Ms }, { p50Ms: 1, p99Ms: 1, writeP50Ms: 7, writeP99Ms: 7 })
  assert.ok(!('writeP50Ms' in mergeSamples([part([1])])))
})
