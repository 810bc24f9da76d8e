/** Replicas that die, stop, freeze and come back, under a load of many clients: no request fails, nothing acknowledged is lost. */
import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { readBack, waitForAgreement } from './agreement.ts'
import { Load } from './load.ts'
import { replicaStatus } from './node-http.ts'
import { Up } from './up.ts'

/** No write waits longer than this for a replica that is gone or frozen. */
const MOST_UNAVAILABLE_MS = 5000
const CATCH_UP_TIMEOUT_MS = 180_000
/** While there is no majority writes wait for two processes to start, which takes as long as the machine is busy. */
const NO_MAJORITY_TIMEOUT_MS = 60_000

let up: Up
before(async () => {
  up = await Up.fresh()
})
after(() => up.stop())

function startLoad(prefix: string, timeoutMs?: number): Promise<Load> {
  const rates = { clients: 12, writesPerSecond: 800, readsPerSecond: 800, series: 60 }
  return Load.start({ endpoints: up.endpoints, ...rates, prefix, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
}

/** Waits for a replica to serve under a new process and to have what the others have. Resolves to how long that took. */
async function untilBack(at: number, bootBefore: number): Promise<number> {
  const beganMs = performance.now()
  let target = Number.POSITIVE_INFINITY
  while (performance.now() - beganMs < CATCH_UP_TIMEOUT_MS) {
    const all = await Promise.all(up.http.map((http) => replicaStatus(http).catch(() => undefined)))
    const mine = all[at]
    if (mine?.state === 'serving' && mine.boot > bootBefore) {
      if (mine.chosenTotal >= target) return performance.now() - beganMs
      target = Math.max(...all.map((status) => status?.chosenTotal ?? 0))
    }
    await delay(50)
  }
  return assert.fail(`replica ${at} is not back after ${CATCH_UP_TIMEOUT_MS} ms`)
}

async function endLoad(t: TestContext, load: Load): Promise<void> {
  await load.stop()
  const { writeLatencies: writes, readLatencies: reads } = load
  t.diagnostic(
    `${writes.count} writes, p50 ${writes.quantile(0.5).toFixed(1)} ms, p99 ${writes.quantile(0.99).toFixed(0)} ms, most ${writes.quantile(1).toFixed(0)} ms; ` +
      `${reads.count} reads, p99 ${reads.quantile(0.99).toFixed(0)} ms; longest gap ${load.longestGapMs.toFixed(0)} ms`,
  )
  assert.deepEqual(load.failures, [])
  const { blocks } = await waitForAgreement(up.http)
  assert.ok(blocks > 0)
  for (const http of up.http) assert.equal(await readBack(http, load.acknowledged), load.writes)
}

test('kill -9 of each replica in turn', async (t: TestContext) => {
  const load = await startLoad('kill')
  await delay(1000)
  for (const at of [0, 1, 2]) {
    const { boot } = await replicaStatus(up.http[at] as string)
    process.kill(up.pidOf(at), 'SIGKILL')
    t.diagnostic(`replica ${at} is level again ${Math.round(await untilBack(at, boot))} ms after kill -9`)
    await delay(500)
  }
  await endLoad(t, load)
})

test('SIGTERM: exit code 0 within 10 s, and up starts it again', async (t: TestContext) => {
  const load = await startLoad('term')
  await delay(500)
  const { boot } = await replicaStatus(up.http[2] as string)
  const beganMs = performance.now()
  const seen = up.events.length
  process.kill(up.pidOf(2), 'SIGTERM')
  while (!up.events.slice(seen).some(({ event }) => event === 'exited')) {
    if (performance.now() - beganMs > 10_000) assert.fail('the node runs 10 s after SIGTERM')
    await delay(20)
  }
  const exited = up.events.slice(seen).find(({ event }) => event === 'exited')
  t.diagnostic(`stopped after ${Math.round(performance.now() - beganMs)} ms: ${exited?.how}`)
  assert.deepEqual([exited?.node, exited?.how], ['g0-r2', 'exit code 0'])
  await untilBack(2, boot)
  await endLoad(t, load)
})

test('a replica that freezes and thaws: the others go on within 5 s', async (t: TestContext) => {
  const load = await startLoad('freeze')
  await delay(1500)
  const pid = up.pidOf(0)
  process.kill(pid, 'SIGSTOP')
  try {
    await delay(6000)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  const frozenMs = load.longestGapMs
  await delay(2500)
  t.diagnostic(`no write was acknowledged for ${frozenMs.toFixed(0)} ms while it froze, for ${load.longestGapMs.toFixed(0)} ms in all`)
  assert.ok(load.longestGapMs < MOST_UNAVAILABLE_MS)
  assert.ok(load.writeLatencies.quantile(1) < MOST_UNAVAILABLE_MS, `a write took ${load.writeLatencies.quantile(1)} ms`)
  await endLoad(t, load)
})

test('kill -9 of two at once: writes wait for a majority, none is lost, none fails', async (t: TestContext) => {
  const load = await startLoad('two', NO_MAJORITY_TIMEOUT_MS)
  await delay(1000)
  const boots = await Promise.all([1, 2].map(async (at) => (await replicaStatus(up.http[at] as string)).boot))
  process.kill(up.pidOf(1), 'SIGKILL')
  process.kill(up.pidOf(2), 'SIGKILL')
  await Promise.all([untilBack(1, boots[0] as number), untilBack(2, boots[1] as number)])
  await delay(500)
  await endLoad(t, load)
})
