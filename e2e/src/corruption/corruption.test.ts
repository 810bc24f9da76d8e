/**
 * Every structure of a volume × every fault of a disk (`cells.ts`), in a real group of three under load. In all of them: no
 * request fails, nothing acknowledged is lost, nothing else is served, and no process ends without saying why.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { readBack, waitForAgreement } from '../agreement.ts'
import { Load } from '../load.ts'
import { handTopology, type ReplicaStatus, replicaStatus } from '../node-http.ts'
import { buildPreload } from '../preload.ts'
import { StorageProcess } from '../storage-process.ts'
import { makeTemporaryFolder } from '../temporary-folder.ts'
import { Up } from '../up.ts'
import { CELLS, type Cell, type Outcome } from './cells.ts'

const skip = process.platform === 'linux' ? false : 'needs LD_PRELOAD'
const OUTCOME_TIMEOUT_MS = 120_000
/** What a node exits with to be started again with another incarnation. */
const REJOIN_EXIT_CODE = 75
const REPLICAS = 3

let up: Up
let load: Load
let orders: string
const running: (StorageProcess | undefined)[] = []
before(
  async () => {
    if (skip !== false) return
    const folder = makeTemporaryFolder()
    orders = join(folder, 'orders')
    Object.assign(process.env, { LD_PRELOAD: buildPreload('corruption/faulty-disk.c', folder), FAULTY_DISK: orders })
    up = await Up.fresh('--no-restart')
    load = await Load.start({
      endpoints: up.endpoints,
      clients: 6,
      writesPerSecond: 200,
      readsPerSecond: 200,
      series: 40,
      prefix: 'load',
    })
    await delay(500)
  },
  { timeout: 240_000 },
)
after(async () => {
  delete process.env.LD_PRELOAD
  if (skip !== false) return
  await load.stop()
  await Promise.all(running.map((process) => process?.stop()))
  await up.stop()
})

const volumeOf = (at: number): string => join(up.folder, `g0-r${at}`)
const said = (at: number): string => readFileSync(`${volumeOf(at)}.log`, 'utf8')

/** Stops the replica as an operator would: what it has applied is flushed. */
async function stop(at: number): Promise<void> {
  const process = running[at]
  if (process !== undefined) {
    await process.stop()
    return
  }
  const { length } = up.events
  globalThis.process.kill(up.pidOf(at), 'SIGTERM')
  while (!up.events.slice(length).some(({ event, node }) => event === 'exited' && node === `g0-r${at}`)) await delay(10)
}

function start(at: number): void {
  running[at] = StorageProcess.start(up, at)
}

/** Waits until the replica has come to this; starts it again when it asks for that. */
async function until(at: number, what: string, holds: (status: ReplicaStatus) => boolean): Promise<void> {
  const untilMs = performance.now() + OUTCOME_TIMEOUT_MS
  let last = 'nothing'
  while (performance.now() < untilMs) {
    const ending = running[at]?.ending
    if (ending === REJOIN_EXIT_CODE) start(at)
    else if (ending !== undefined) assert.fail(`replica ${at} ended with ${ending}; it should be ${what}:\n${said(at).slice(-1000)}`)
    const status = await replicaStatus(up.http[at] as string).catch(() => undefined)
    if (status !== undefined) {
      if (holds(status)) return
      last = `${status.state}, ${status.mode}, incarnation ${status.incarnation.number}: ${status.reason ?? ''}`
    }
    await delay(30)
  }
  assert.fail(`replica ${at} is not ${what} after ${OUTCOME_TIMEOUT_MS} ms: ${last}`)
}

const isVoter = ({ state, mode }: ReplicaStatus): boolean => state === 'serving' && mode === 'Voter'

async function untilEnded(at: number, message: RegExp, from: number): Promise<void> {
  const untilMs = performance.now() + OUTCOME_TIMEOUT_MS
  while (running[at]?.ending === undefined) {
    assert.ok(performance.now() < untilMs, `replica ${at} goes on; it should have ended with ${message}`)
    await delay(20)
  }
  assert.equal(typeof running[at]?.ending, 'number', 'it ended by itself')
  assert.notEqual(running[at]?.ending, 0)
  assert.match(said(at).slice(from), message)
}

async function follow(at: number, outcome: Outcome, incarnation: number, from: number): Promise<void> {
  const same = (status: ReplicaStatus): boolean => isVoter(status) && status.incarnation.number === incarnation
  const later = (status: ReplicaStatus): boolean => isVoter(status) && status.incarnation.number > incarnation
  if (outcome === 'harmless') await until(at, 'serving as before', same)
  else if (outcome === 'cut') await until(at, 'serving', isVoter)
  else if (outcome === 'rejoins') await until(at, 'a new incarnation that votes', later)
  else if (outcome === 'waits') {
    await until(at, 'waiting for the topology', ({ state }) => state === 'joining')
    assert.match(said(at).slice(from), /topology\.json is damaged/)
    await handTopology(up, at)
    await until(at, 'serving as before', same)
  } else if ('ends' in outcome) {
    await untilEnded(at, outcome.ends, from)
    rmSync(orders)
    start(at)
    await until(at, 'serving as before', same)
  } else {
    await untilEnded(at, outcome.refuses, from)
    for (const name of readdirSync(volumeOf(at))) rmSync(join(volumeOf(at), name), { recursive: true })
    start(at)
    await handTopology(up, at)
    await until(at, 'a new incarnation that votes', later)
  }
}

async function survive(t: TestContext, at: number, { outcome, damage, order, stops }: Cell): Promise<void> {
  const { incarnation } = await replicaStatus(up.http[at] as string)
  // A cell that failed may have left its own.
  rmSync(orders, { force: true })
  await stop(at)
  const from = said(at).length
  const beganMs = performance.now()
  damage?.(volumeOf(at))
  if (order !== undefined) writeFileSync(orders, order.replace('VOLUME', `/g0-r${at}`))
  start(at)
  if (stops === true) {
    await until(at, 'serving', isVoter)
    await running[at]?.stop()
  }
  await follow(at, outcome, incarnation.number, from)
  t.diagnostic(`serving again after ${Math.round(performance.now() - beganMs)} ms`)
  assert.doesNotMatch(said(at).slice(from), /a bug:/)
  assert.deepEqual(load.failures, [])
}

for (const [number, cell] of CELLS.entries()) {
  const { structure, fault, outcome } = cell
  const wanted = typeof outcome === 'string' ? outcome : 'ends' in outcome ? 'ends and is mended' : 'refuses to start'
  test(`${structure}, ${fault}: ${wanted}`, { skip, timeout: 240_000 }, (t) => survive(t, number % REPLICAS, cell))
}

test('after all of it every replica has everything that was acknowledged', { skip, timeout: 240_000 }, async (t) => {
  await load.stop()
  assert.deepEqual(load.failures, [])
  await waitForAgreement(up.http)
  for (const http of up.http) assert.equal(await readBack(http, load.acknowledged), load.writes)
  t.diagnostic(`${load.writes} writes, longest gap ${load.longestGapMs.toFixed(0)} ms`)
})
