/** The bars are computed from the rows that they name. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Row, Side } from '../results.ts'
import { barsOf } from './bars.ts'
import { memoryWorkload } from './workloads.ts'

const side = (name: string, opsPerSecond: number): Side => ({
  name,
  opsPerSecond,
  p50Ms: 1,
  p99Ms: 1,
  serverCpuUsPerOp: 1,
  loaderCpuUsPerOp: 1,
  loaderCores: 1,
  loaders: 1,
  errors: 0,
  spread: { opsPerSecond: [1, 1], serverCpuUsPerOp: [1, 1] },
})

function row(batch: number, isMixed: boolean, peer: string, opsPerSecond: number, cpu: number): Row {
  const { name, clients } = memoryWorkload(128, batch, isMixed)
  const ratio = { opsPerSecond: 1, p50: 1, cpu, spread: { opsPerSecond: [1, 1], cpu: [1, 1] } } as const
  return { workload: name, clients, batch, ours: side('thermocline', opsPerSecond), peer: side(peer, 1), ratio, notes: [] }
}

test('bars come from the rows of 128 clients, and only from those that were measured', () => {
  const rows = [
    row(1, false, 'etcd', 1000, 0.09),
    row(1, false, 'redis', 1000, 2.5),
    row(32, false, 'redis', 9000, 3.9),
    row(1, true, 'redis', 700, 1),
  ]
  assert.deepEqual(
    barsOf({ rows }).map(({ wanted, found, isMet }) => [wanted, found, isMet]),
    [
      ['≤ 0.1', 0.09, true],
      ['≤ 2', 2.5, false],
      ['≤ 4', 3.9, true],
      ['≥ 0.8', 0.7, false],
      ['≥ 8', 9, true],
    ],
  )
  assert.deepEqual(barsOf({ rows: [] }), [])
})
