import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { runClosedLoops } from './closed-loop.ts'

test('each client has one call at a time; reads and writes are counted together and timed apart', async () => {
  const open = new Map<number, number>()
  let most = 0
  let calls = 0
  const sample = await runClosedLoops({
    clients: 3,
    seconds: 0.3,
    pids: [process.pid],
    operationsPerCall: 32,
    nextIsWrite: () => calls++ % 2 === 0,
    async call(client, isWrite) {
      const now = (open.get(client) ?? 0) + 1
      open.set(client, now)
      most = Math.max(most, now)
      await delay(isWrite ? 12 : 3)
      open.set(client, now - 1)
    },
  })
  assert.equal(most, 1)
  assert.equal(open.size, 3)
  assert.equal(sample.operations, sample.calls * 32)
  assert.ok((sample.writes?.calls ?? 0) > 0 && (sample.writes?.calls ?? 0) < sample.calls)
  assert.ok((sample.writes?.quantilesMs[0] ?? 0) >= 11, String(sample.writes?.quantilesMs[0]))
  assert.ok((sample.quantilesMs[0] ?? 99) < 11, String(sample.quantilesMs[0]))
  assert.equal(sample.errors, 0)
})

test('calls that fail at once are counted, and do not keep the clock from ticking', async () => {
  const sample = await runClosedLoops({
    clients: 2,
    seconds: 0.1,
    pids: [],
    operationsPerCall: 1,
    call: () => Promise.reject(new Error('gone')),
  })
  assert.equal(sample.calls, 0)
  assert.ok(sample.errors > 0)
  assert.equal(sample.firstError, 'Error: gone')
})
