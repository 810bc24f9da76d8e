import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '@thermocline/simulation'
import { shuffled } from './shuffled.ts'
import { THETA, zeta, zipfianRanks } from './zipf.ts'

const DRAWS = 400_000

function counts(n: number, seed: number): Uint32Array {
  const drawn = new Uint32Array(n)
  const next = zipfianRanks(n, THETA, new Random(seed).next)
  for (let draw = 0; draw < DRAWS; draw++) {
    const rank = next()
    drawn[rank] = (drawn[rank] as number) + 1
  }
  return drawn
}

/** The share of the draws that fell on the first ranks. */
const shareOf = (drawn: Uint32Array, ranks: number): number => drawn.subarray(0, ranks).reduce((sum, count) => sum + count, 0) / DRAWS

test('the first ranks have the probability that the distribution gives them', () => {
  const drawn = counts(100_000, 1)
  const all = zeta(100_000, THETA)
  for (const rank of [0, 1]) {
    const wanted = 1 / (rank + 1) ** THETA / all
    assert.ok(Math.abs((drawn[rank] as number) / DRAWS / wanted - 1) < 0.03, `rank ${rank}: ${drawn[rank]} of ${DRAWS}, wanted ${wanted}`)
  }
})

test('the first 10, 1000 and half of the ranks have their share of the draws', () => {
  for (const n of [1000, 100_000, 1_000_000]) {
    const drawn = counts(n, 2)
    for (const ranks of [10, n / 100, n / 2]) {
      const wanted = zeta(ranks, THETA) / zeta(n, THETA)
      const share = shareOf(drawn, ranks)
      // The method is approximate between the second rank and the tail.
      assert.ok(Math.abs(share - wanted) < 0.03, `${ranks} of ${n}: ${share}, wanted ${wanted}`)
    }
  }
})

test('no rank is out of range, whatever chance says', () => {
  for (const chance of [0, 0.5, 1 - 2 ** -32]) {
    const rank = zipfianRanks(10, THETA, () => chance)()
    assert.ok(rank >= 0 && rank < 10 && Number.isInteger(rank), String(rank))
  }
})

test('a seed decides the draws', () => {
  assert.deepEqual(counts(100, 7), counts(100, 7))
  assert.notDeepEqual(counts(100, 7), counts(100, 8))
})

test('a shuffle keeps each number once, and moves most', () => {
  const order = shuffled(1000, new Random(3))
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    [...Array(1000).keys()],
  )
  assert.ok(order.filter((value, at) => value === at).length < 10)
})
