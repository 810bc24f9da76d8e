/**
 * A replica that lost its volume, and whose peers' logs no longer reach back, takes snapshots of blocks. Its disk fails while
 * it writes them: nothing half installed ever counts, and what is wrong is said.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@thermocline/client'
import { readBack, waitForAgreement } from '../agreement.ts'
import { handTopology, type ReplicaStatus, replicaStatus } from '../node-http.ts'
import { buildPreload } from '../preload.ts'
import { StorageProcess } from '../storage-process.ts'
import { makeTemporaryFolder } from '../temporary-folder.ts'
import { Up } from '../up.ts'

const skip = process.platform === 'linux' ? false : 'needs LD_PRELOAD'
const TIMEOUT_MS = 30_000
const EIO = 5
const ENOSPC = 28
const REJOIN_EXIT_CODE = 75
/** Written again and again, until the log has let go of the first of them many times over. */
const SERIES = 6
const ROUNDS = 40
const VALUE_BYTES = 600_000
/** The replica that learns. */
const LEARNER = 2
const FULL_MS = 3000
/** Two copies are under way at once, and none starts within a second of one that failed. */
const MOST_TRIES = 12
/** A peer of the learner. */
const PEER = 0

let up: Up
let orders: string
let running: StorageProcess | undefined
const acknowledged = new Map<string, Map<string, string>>()

before(
  async () => {
    if (skip !== false) return
    const folder = makeTemporaryFolder()
    orders = join(folder, 'orders')
    Object.assign(process.env, {
      LD_PRELOAD: buildPreload('corruption/faulty-disk.c', folder),
      FAULTY_DISK: orders,
      THERMOCLINE_LOG_BYTES: '64MiB',
    })
    up = await Up.fresh('--no-restart', '--node-memory', '192MiB')
    await fill()
  },
  { timeout: 240_000 },
)
after(async () => {
  delete process.env.LD_PRELOAD
  delete process.env.THERMOCLINE_LOG_BYTES
  if (skip !== false) return
  await running?.stop()
  await up.stop()
})

async function fill(): Promise<void> {
  const client = await connect({ endpoints: up.endpoints })
  for (let round = 0; round < ROUNDS; round++) {
    const all = Array.from({ length: SERIES }, async (_, at) => {
      const series = `filled-${at}`
      const value = randomBytes(VALUE_BYTES / 2).toString('hex')
      await client.put(series, '1-0', value, { timeoutMs: 20_000 })
      acknowledged.set(series, new Map([['1-0', value]]))
    })
    await Promise.all(all)
  }
  await client.close()
}

const saidBy = (at: number): string => readFileSync(`${join(up.folder, `g0-r${at}`)}.log`, 'utf8')
const said = (): string => saidBy(LEARNER)

async function stopLearner(): Promise<void> {
  if (running !== undefined) {
    await running.stop()
    return
  }
  const { length } = up.events
  process.kill(up.pidOf(LEARNER), 'SIGKILL')
  while (!up.events.slice(length).some(({ event, node }) => event === 'exited' && node === `g0-r${LEARNER}`)) await delay(10)
}

/** The learner starts on an empty volume, and the disk of one replica fails from then on. Returns where its log begins. */
async function loseVolume(order: string): Promise<number> {
  await stopLearner()
  const volume = join(up.folder, `g0-r${LEARNER}`)
  for (const name of readdirSync(volume)) rmSync(join(volume, name), { recursive: true })
  const from = said().length
  writeFileSync(orders, order)
  running = StorageProcess.start(up, LEARNER)
  await handTopology(up, LEARNER)
  return from
}

const status = (): Promise<ReplicaStatus | undefined> => replicaStatus(up.http[LEARNER] as string).catch(() => undefined)

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const untilMs = performance.now() + TIMEOUT_MS
  while (!(await holds())) {
    assert.ok(performance.now() < untilMs, `not ${what} after ${TIMEOUT_MS} ms:\n${said().slice(-1500)}`)
    await delay(30)
  }
}

async function metric(name: string): Promise<number> {
  const metrics = await (await fetch(`${up.http[LEARNER]}/metrics`)).text()
  return Number(new RegExp(`^thermocline_${name}\\S* (\\d+)`, 'm').exec(metrics)?.[1])
}

async function rejoins(t: TestContext): Promise<void> {
  await until('a voter again', async () => {
    if (running?.ending === REJOIN_EXIT_CODE) running = StorageProcess.start(up, LEARNER)
    const found = await status()
    return found?.state === 'serving' && found.mode === 'Voter'
  })
  const copied = await metric('blocks_copied_total')
  t.diagnostic(`${copied} blocks were copied`)
  assert.ok(copied > 0, 'the log of a peer reached back: no snapshot was needed')
  await waitForAgreement(up.http)
  assert.equal(await readBack(up.http[LEARNER] as string, acknowledged), SERIES)
  assert.doesNotMatch(said(), /a bug:/)
}

test('snapshot part, ENOSPC: it says so, does not vote, and goes on when there is room', { skip, timeout: 240_000 }, async (t) => {
  const from = await loseVolume(`write ${ENOSPC} /g0-r${LEARNER}/engine/incoming .records.`)
  const refusals = (): number => said().slice(from).split('there is no room for a block').length - 1
  await until('refused', () => refusals() > 0)
  await delay(FULL_MS)
  assert.equal(refusals(), 1, 'it is not said again at every attempt')
  const failures = await metric('blocks_copies_failed_total')
  assert.ok(failures <= MOST_TRIES, `${failures} copies were tried while the disk was full`)
  assert.equal(running?.ending, undefined)
  assert.notEqual((await status())?.mode, 'Voter')
  rmSync(orders)
  const beganMs = performance.now()
  await rejoins(t)
  t.diagnostic(`a voter ${Math.round(performance.now() - beganMs)} ms after there was room`)
})

test('snapshot part, EIO as it is written: the process ends, and learns anew', { skip, timeout: 240_000 }, async (t) => {
  const from = await loseVolume(`write ${EIO} /g0-r${LEARNER}/engine/incoming .records.`)
  await until('ended', () => running?.ending !== undefined)
  assert.notEqual(running?.ending, 0)
  assert.match(said().slice(from), /engine\/incoming\/\d+\.records\.sst: Input\/output error.*the store cannot go on/)
  rmSync(orders)
  running = StorageProcess.start(up, LEARNER)
  await rejoins(t)
})

test('snapshot part, EIO as a peer reads it: the other peer gives it', { skip, timeout: 240_000 }, async (t) => {
  const from = saidBy(PEER).length
  await loseVolume(`read ${EIO} /g0-r${PEER}/engine/ .sst`)
  const beganMs = performance.now()
  await rejoins(t)
  t.diagnostic(`a voter after ${Math.round(performance.now() - beganMs)} ms, ${await metric('blocks_copies_failed_total')} copies failed`)
  assert.match(saidBy(PEER).slice(from), /the disk failed under the tables.*other replicas serve it/)
})
