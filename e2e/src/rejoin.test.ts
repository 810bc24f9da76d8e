/**
 * Volumes that are lost, rolled back or damaged, in a real cluster under load: the replica comes back as a learner, is made
 * whole by the others, and votes again; no request fails, nothing acknowledged is lost.
 */
import assert from 'node:assert/strict'
import { cpSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { readBack, waitForAgreement } from './agreement.ts'
import { filesOf, flipBit } from './corruption/damage.ts'
import { Load } from './load.ts'
import { replicaStatus, scanReplica } from './node-http.ts'
import { Up } from './up.ts'

const REJOIN_TIMEOUT_MS = 180_000

let up: Up
let folder: string
before(async () => {
  up = await Up.fresh()
  folder = up.folder
})
after(() => up.stop())

const volumeOf = (at: number): string => join(folder, `g0-r${at}`)

/** Ends the replica's process and changes its volume. `up` waits at least half a second before it starts a node again. */
async function change(at: number, signal: 'SIGKILL' | 'SIGTERM', what: (volume: string) => void): Promise<void> {
  const seen = up.events.length
  process.kill(up.pidOf(at), signal)
  while (!up.events.slice(seen).some(({ event, node }) => event === 'exited' && node === `g0-r${at}`)) await delay(10)
  what(volumeOf(at))
}

/** Reads everything from one replica, whatever comes of it: what is damaged is found when it is read. */
async function provoke(at: number, series: Iterable<string>): Promise<void> {
  for (const one of series) {
    try {
      for await (const _ of scanReplica(up.http[at] as string, one));
    } catch {
      return
    }
  }
}

/** Resolves once the replica votes in every block, under a later incarnation. */
async function untilRejoined(at: number, incarnation: number, written: ReadonlyMap<string, unknown>): Promise<number> {
  const beganMs = performance.now()
  let last = 'nothing'
  while (performance.now() - beganMs < REJOIN_TIMEOUT_MS) {
    const status = await replicaStatus(up.http[at] as string).catch(() => undefined)
    if (status !== undefined)
      last = `${status.state}, ${status.mode}, incarnation ${status.incarnation.number}, ${JSON.stringify(status.learner)}: ${status.reason ?? ''}`
    if (status?.state === 'serving' && status.mode === 'Voter' && status.incarnation.number > incarnation)
      return performance.now() - beganMs
    if (status?.incarnation.number === incarnation) await provoke(at, written.keys())
    await delay(50)
  }
  return assert.fail(`replica ${at} has not rejoined after ${REJOIN_TIMEOUT_MS} ms: ${last}`)
}

/** Runs a load, does something to a replica's volume, waits until it is whole again, and checks everything. */
async function survive(
  t: TestContext,
  at: number,
  prefix: string,
  what: (volume: string) => void,
  signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL',
): Promise<void> {
  const load = await Load.start({ endpoints: up.endpoints, clients: 12, writesPerSecond: 600, readsPerSecond: 600, series: 60, prefix })
  let tookMs: number
  try {
    await delay(1000)
    const { incarnation } = await replicaStatus(up.http[at] as string)
    await change(at, signal, what)
    tookMs = await untilRejoined(at, incarnation.number, load.acknowledged)
    await delay(300)
  } finally {
    await load.stop()
  }
  t.diagnostic(`rejoined after ${Math.round(tookMs)} ms; ${load.writes} writes, longest gap ${load.longestGapMs.toFixed(0)} ms`)
  assert.deepEqual(load.failures, [])
  const { blocks } = await waitForAgreement(up.http)
  assert.ok(blocks > 0)
  for (const http of up.http) assert.equal(await readBack(http, load.acknowledged), load.writes)
}

/** There are some after a SIGTERM: a stop flushes. */
function tablesOf(volume: string): string[] {
  const tables = filesOf(join(volume, 'engine'), /\.sst$/)
  assert.ok(tables.length > 0, 'nothing was flushed')
  return tables
}

test('a wiped volume', async (t) => {
  await survive(t, 1, 'wiped', (volume) => {
    for (const name of readdirSync(volume)) rmSync(join(volume, name), { recursive: true })
  })
})

test('a bit flips in the middle of the log', async (t) => {
  await survive(t, 2, 'flipped-log', (volume) => {
    const [first] = filesOf(join(volume, 'log'), /\.log$/)
    // Far behind the last write there are later ones that prove that this one was durable.
    flipBit(first as string, 8192)
  })
})

test('a log segment is gone', async (t) => {
  await survive(t, 0, 'lost-log', (volume) => {
    for (const file of filesOf(join(volume, 'log'), /\.log$/)) rmSync(file)
  })
})

test('a table is damaged', async (t) => {
  await survive(
    t,
    1,
    'flipped-table',
    (volume) => {
      for (const table of tablesOf(volume)) flipBit(table, 100)
    },
    'SIGTERM',
  )
})

test('a table is cut short', async (t) => {
  await survive(t, 2, 'cut-table', (volume) => truncateSync(tablesOf(volume)[0] as string, 64), 'SIGTERM')
})

test('a volume goes back to an earlier state', async (t) => {
  const old = `${folder}-old`
  t.after(() => rmSync(old, { recursive: true, force: true }))
  cpSync(volumeOf(0), old, { recursive: true })
  await survive(t, 0, 'rolled-back', (volume) => {
    rmSync(volume, { recursive: true })
    cpSync(old, volume, { recursive: true })
  })
})

test('two volumes of three are lost: it is reported, and left alone', async () => {
  const lost = [0, 2]
  const pids = lost.map((at) => up.pidOf(at))
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  for (const at of lost) rmSync(volumeOf(at), { recursive: true })
  const untilMs = performance.now() + REJOIN_TIMEOUT_MS
  const reasons = async (): Promise<string[]> => {
    const all = await Promise.all(lost.map((at) => replicaStatus(up.http[at] as string).catch(() => undefined)))
    return all.map((status) => `${status?.state}: ${status?.reason}`)
  }
  const isReported = (reason: string): boolean => /^joining: .*NeedsOperator: replicas 0 and 2/.test(reason)
  while (!(await reasons()).every(isReported)) {
    if (performance.now() > untilMs) assert.fail(`not reported: ${(await reasons()).join('; ')}`)
    await delay(100)
  }
  // The third keeps what it has, and nobody makes a new group of empty volumes.
  await delay(2000)
  assert.ok((await reasons()).every(isReported))
  const { blocks, state } = await replicaStatus(up.http[1] as string)
  assert.equal(state, 'serving')
  assert.ok(blocks.known > 0)
})
