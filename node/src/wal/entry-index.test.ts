import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EntryIndex } from './entry-index.ts'

const ENTRIES = 200_000
const PER_GENERATION = 20_000
const BLOCKS = 1000

const blockOf = (entry: number): number => entry % BLOCKS
const instanceOf = (entry: number): number => 1 + Math.floor(entry / BLOCKS)

/** Entries in generations from 1 on. */
function fill(index: EntryIndex, from: number, to: number): void {
  for (let entry = from; entry < to; entry++)
    index.set(blockOf(entry), instanceOf(entry), 1 + Math.floor(entry / PER_GENERATION), entry * 8, 100 + (entry % 7))
}

test('entries are found where they lie, over many tables', () => {
  const index = new EntryIndex()
  fill(index, 0, ENTRIES)
  for (let entry = 0; entry < ENTRIES; entry += 13) {
    assert.deepEqual(index.get(blockOf(entry), instanceOf(entry)), {
      generation: 1 + Math.floor(entry / PER_GENERATION),
      offset: entry * 8,
      length: 100 + (entry % 7),
    })
  }
  assert.equal(index.get(3, instanceOf(ENTRIES)), undefined)
})

test('an entry that is written again lies where it was written last, in another table, too', () => {
  const index = new EntryIndex()
  index.set(7, 1, 1, 10, 11)
  index.set(7, 1, 1, 20, 21)
  assert.equal(index.get(7, 1)?.offset, 20)
  fill(index, 1000, ENTRIES)
  index.set(7, 1, 99, 30, 31)
  assert.deepEqual(index.get(7, 1), { generation: 99, offset: 30, length: 31 })
})

test('what lay in freed segments is gone, also where a newer one of its table remains', () => {
  const index = new EntryIndex()
  fill(index, 0, ENTRIES)
  for (const oldest of [2, 3, 7]) {
    index.forgetBefore(oldest)
    const first = (oldest - 1) * PER_GENERATION
    assert.equal(index.get(blockOf(first - 1), instanceOf(first - 1)), undefined)
    assert.equal(index.get(blockOf(first), instanceOf(first))?.generation, oldest)
  }
})

test('an index of a log that goes on and frees what is old stays as large as what is left', () => {
  const index = new EntryIndex()
  fill(index, 0, ENTRIES)
  const bytes = index.memoryBytes
  for (let from = ENTRIES; from < 10 * ENTRIES; from += PER_GENERATION) {
    fill(index, from, from + PER_GENERATION)
    index.forgetBefore(2 + Math.floor((from + PER_GENERATION - ENTRIES) / PER_GENERATION))
  }
  assert.ok(index.memoryBytes <= bytes * 1.25, `${index.memoryBytes} bytes after ${bytes}`)
})
