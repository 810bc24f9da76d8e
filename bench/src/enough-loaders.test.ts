import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EnoughLoaders, isSaturated } from './enough-loaders.ts'
import { sample } from './fixtures.ts'

test('a loader without CPU left is measured again with two, and two it stays for that workload', async () => {
  const runs: [number, number][] = []
  const loaders = new EnoughLoaders(async (count: number, { clients }: { clients: number }) => {
    runs.push([count, clients])
    return sample(1000, 10, { loaders: count, loaderCores: clients > 100 ? 0.95 : 0.2 })
  })
  const [few, many] = [{ clients: 16 }, { clients: 128 }]
  for (const workload of [few, many, many]) await loaders.measure(workload, 1)
  assert.deepEqual(runs, [
    [1, 16],
    [1, 128],
    [2, 128],
    [2, 128],
  ])
})

test('a loader with more threads has more CPU to use', () => {
  assert.ok(isSaturated({ loaderCores: 0.95 }, 1))
  assert.ok(!isSaturated({ loaderCores: 0.95 }, 2))
})
