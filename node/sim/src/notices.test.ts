/** When peers learn what was chosen, without faults: at a clean stop, and where they read what is being written. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blockOf, encodeSeries } from '@thermocline/protocol'
import { NO_ROUND } from '../../src/paxos/block-state.ts'
import { bestOf, Group, REPLICAS, SERIES } from './group.fixture.ts'

test('a replica that stops in order tells its peers what it has chosen', async () => {
  const group = new Group()
  await group.start(1)
  const written = SERIES.filter((series) => bestOf(series) === 0)
  for (const series of written) group.write(series)
  await group.run(10)
  void group.replica(0).stop(1000)
  await group.run(100)
  for (const peer of [1, 2]) {
    const open = written.filter((series) => group.replica(peer).core.peek(blockOf(encodeSeries(series)))?.acceptedRound !== NO_ROUND)
    assert.deepEqual(open, [])
  }
})

test('reads at other replicas do not wait for a heartbeat to tell them what was chosen', async (context) => {
  const group = new Group()
  const { scheduler } = group
  await group.start(5)
  const times: number[] = []
  for (let at = 0; at < 20_000; at += 50) {
    scheduler.at(at, () => {
      const series = scheduler.random.pick(SERIES)
      group.write(series)
      for (let reads = 4; reads > 0; reads--) {
        const other = (bestOf(series) + 1 + scheduler.random.below(2)) % REPLICAS
        scheduler.at(scheduler.random.between(0, 10), () => group.read(series, other, (ms) => times.push(ms)))
      }
    })
  }
  await group.run(22_000)
  times.sort((a, b) => a - b)
  // Beyond it stand reads that met a stall of a disk.
  const p95 = times[Math.floor(times.length * 0.95)] as number
  context.diagnostic(`${times.length} reads, p95 ${p95.toFixed(1)} ms of the simulated clock`)
  assert.equal(times.length, 1600)
  assert.ok(p95 < 40)
})
