import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COPY_BYTES_PER_SECOND } from '../paxos/constants.ts'
import { CopyBudget, CopyRate, DOUBLE_AFTER_MS, HALVE_AFTER_MS, LEAST_SHARE } from './copy-rate.ts'

test('trouble halves the rate step by step and never ends it; quiet doubles it', () => {
  const rate = new CopyRate()
  let nowMs = 1000
  rate.noteTrouble(nowMs)
  rate.noteTrouble(nowMs + HALVE_AFTER_MS - 1)
  assert.equal(rate.share, 0.5, 'one halving is given time to show')
  for (let step = 0; step < 20; step++) {
    nowMs += HALVE_AFTER_MS
    rate.noteTrouble(nowMs)
  }
  assert.equal(rate.share, LEAST_SHARE)
  rate.sweep(nowMs + DOUBLE_AFTER_MS - 1)
  assert.equal(rate.share, LEAST_SHARE)
  const shares: number[] = []
  for (let step = 1; step <= 6; step++) {
    rate.sweep(nowMs + step * DOUBLE_AFTER_MS)
    shares.push(rate.share)
  }
  assert.deepEqual(shares, [0.1, 0.2, 0.4, 0.8, 1, 1])
})

/** Bytes that a budget lets through in a second that is looked at every 20 ms. */
function bytesInASecond(budget: CopyBudget): number {
  let bytes = 0
  for (let nowMs = 0; nowMs < 1000; nowMs += 20) {
    for (; budget.isDue(nowMs); bytes += 64 * 1024) budget.take(64 * 1024, nowMs)
  }
  return bytes
}

test('a budget lets through what its share is, however seldom it is looked at', () => {
  const full = bytesInASecond(new CopyBudget(new CopyRate()))
  assert.ok(Math.abs(full / COPY_BYTES_PER_SECOND - 1) < 0.06, `${full} bytes`)
  const rate = new CopyRate()
  rate.noteTrouble(0)
  const half = bytesInASecond(new CopyBudget(rate))
  assert.ok(Math.abs(half / COPY_BYTES_PER_SECOND - 0.5) < 0.06, `${half} bytes`)
})
