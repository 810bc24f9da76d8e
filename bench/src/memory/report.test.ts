import assert from 'node:assert/strict'
import { test } from 'node:test'
import { results, SIDES, sample } from '../fixtures.ts'
import { rowOf } from '../results.ts'
import { formatMemoryResults } from './report.ts'

const workload = { name: 'get, 128 clients', clients: 128, batch: 1 }
const ours = sample(1000, 10, { loaderCores: 0.95 })
const beside = (name: string, operations: number) =>
  rowOf(workload, { ours: SIDES.ours, peer: { name, loaderThreads: 1 } }, [{ ours, peer: sample(operations, 5) }])

test('ours stands once above its peers, each with its ratio', () => {
  const text = formatMemoryResults({
    ...results(),
    rows: [beside('redis', 4000), beside('memcached', 2000)],
    pages: 1000,
    readPromises: { redis: 'no more than that' },
  })
  const lines = text.split('\n')
  assert.ok(lines.includes('A read of redis: no more than that.'))
  const at = lines.findIndex((line) => line.startsWith('get, 128 clients'))
  assert.match(lines[at] ?? '', /^get, 128 clients +thermocline +1,000 +1\.00 +2\.00 +10\.0 +10\.0 +0\.95$/)
  assert.match(lines[at + 1] ?? '', /^ +redis +4,000 .* 0\.25 \(0\.25–0\.25\) +1\.00 +2\.00 \(2\.00–2\.00\)$/)
  assert.match(lines[at + 2] ?? '', /^ +memcached +2,000 .* 0\.50 /)
  assert.equal(lines.filter((line) => line.startsWith('* get, 128 clients: the loader of thermocline used 0.95 cores')).length, 1)
})
