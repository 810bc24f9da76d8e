import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Random } from '@thermocline/simulation'
import { VALUE_BYTES } from '../workloads.ts'
import { Dataset, drawPages, writeDataset } from './dataset.ts'

const POOL = Uint8Array.from({ length: 1000 }, (_, at) => at % 251)

test('hot pages are spread over all pages, and are as hot as the distribution says', () => {
  const counts = new Map<number, number>()
  for (const page of drawPages(10_000, 100_000, new Random(5))) counts.set(page, (counts.get(page) ?? 0) + 1)
  const hottest = [...counts].sort(([, a], [, b]) => b - a).slice(0, 100)
  // Rank 0 of 10,000 has a share of 9.9 %.
  assert.ok(Math.abs((hottest[0]?.[1] as number) - 9930) < 500, String(hottest[0]))
  const inFirstHalf = hottest.filter(([page]) => page < 5000).length
  assert.ok(inFirstHalf > 30 && inFirstHalf < 70, String(inFirstHalf))
})

test('pages of a batch differ, though some are drawn again and again', () => {
  const dataset = new Dataset(10, Uint32Array.from([1, 1, 2, 1, 3, 2, 4]), POOL, 0)
  assert.deepEqual(dataset.next(3), [1, 2, 3])
  assert.deepEqual(dataset.next(1), [2])
  assert.deepEqual(dataset.next(3), [4, 1, 2])
})

test('loaders with different seeds begin elsewhere', () => {
  const draws = Uint32Array.from({ length: 1000 }, (_, at) => at)
  const begin = (seed: number) => new Dataset(1000, draws, POOL, seed).next(1)[0]
  assert.equal(new Set([0, 1, 2, 3, 4].map(begin)).size, 5)
  assert.equal(begin(3), begin(3))
})

test('what is written is read, and each page keeps its value', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dataset-'))
  try {
    const files = writeDataset(folder, 1000)
    const [one, other] = [Dataset.read(files, 1), Dataset.read(files, 1)]
    assert.deepEqual(one.next(32), other.next(32))
    assert.ok(one.next(32).every((page) => page < 1000))
    for (const page of [0, 1, 999]) {
      assert.equal(one.valueOf(page).length, VALUE_BYTES)
      assert.deepEqual(one.valueOf(page), other.valueOf(page))
    }
    assert.notDeepEqual(one.valueOf(0), one.valueOf(1))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
