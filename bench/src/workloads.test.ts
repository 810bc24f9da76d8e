import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseWorkloads, WORKLOADS } from './workloads.ts'

test('--quick keeps put and get with 128 clients, --only what it matches', () => {
  assert.deepEqual(
    chooseWorkloads(undefined, true).map(({ name }) => name),
    ['put, 128 clients', 'get, 128 clients'],
  )
  assert.equal(chooseWorkloads(/batches/, false).length, 4)
  assert.equal(chooseWorkloads(undefined, false).length, WORKLOADS.length)
  assert.throws(() => chooseWorkloads(/nothing/, false), /--only nothing: matches no workload/)
})

test('names are unique: comparisons go by them', () => {
  assert.equal(new Set(WORKLOADS.map(({ name }) => name)).size, WORKLOADS.length)
})
