/**
 * `make demo`: a real cluster of three replicas takes real data, serves it newest first, loses a replica under load, then a
 * whole disk, has another replica freeze, and does not notice. Everything goes through what a user has: the `thermocline` program, the client library, HTTP.
 *
 * Exit code 0 means that all of it held; otherwise the last lines say what did not.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@thermocline/client'
import { readBack, waitForAgreement } from './agreement.ts'
import { runCommand } from './command.ts'
import { type History, writeBrowserHistory } from './demo/browser-history.ts'
import { bad, chapter, command, count, detail, good, millis, seconds, tell } from './demo/narrator.ts'
import { Latencies } from './latencies.ts'
import { Load } from './load.ts'
import { handTopology, type ReplicaStatus, replicaStatus } from './node-http.ts'
import { phaseTable } from './phase.ts'
import { StorageProcess } from './storage-process.ts'
import { makeTemporaryFolder, removeTemporaryFolder } from './temporary-folder.ts'
import { Up } from './up.ts'

const CLIENTS = 24
/** What the clients ask for; the report says what they got, and less than `LEAST_WRITES_PER_SECOND` fails the demo. */
const WRITES_PER_SECOND = 1500
const READS_PER_SECOND = 1500
const LEAST_WRITES_PER_SECOND = 1000
const SERIES = 20_000
const BEFORE_SECONDS = 5
const DOWN_SECONDS = 8
const AFTER_SECONDS = 4
const WIPED_SECONDS = 3
const FROZEN_SECONDS = 4
const VICTIM = 1
/** The replica that freezes: one that the clients are connected to, and not the one that was lost. */
const FROZEN = 2
const CATCH_UP_TIMEOUT_MS = 180_000
const SHOWN = 6

interface Outage {
  readonly load: Load
  readonly lag: number
  readonly catchUpMs: number
  readonly rejoinMs: number
}

async function startCluster(folder: string): Promise<Up> {
  chapter('Start a cluster', 'Three replicas on this machine, a process each. Every write must be on the disks of two of them.')
  command('thermocline up --replicas 3')
  const up = await Up.start(['--data', folder, '--port', '0', '--no-restart'])
  good(`serves after ${seconds(up.startedInMs)} on ${up.endpoints.join(', ')}`)
  return up
}

async function importHistory(up: Up, folder: string): Promise<History> {
  chapter('Import real data', 'When did which feature of the web come to which browser? MDN knows; one series per browser.')
  const file = join(folder, 'browser-history.ndjson')
  const history = writeBrowserHistory(file)
  command('thermocline import browser-history.ndjson --series browser --time date')
  const args = ['import', file, '--series', 'browser', '--time', 'date', '--json', '--endpoints', up.endpoints.join(',')]
  const { code, stdout, stderr } = await runCommand(args, { timeoutMs: 120_000 })
  if (code !== 0) throw new Error(`import ended with ${code}: ${stderr}`)
  const { records, rejected, tookMs } = JSON.parse(stdout) as { records: number; rejected: number; tookMs: number }
  if (records !== history.records || rejected !== 0) {
    throw new Error(`import wrote ${records} records and rejected ${rejected}; the file has ${history.records}`)
  }
  const megabytes = (history.bytes / 1e6).toFixed(0)
  good(`${count(records)} records (${megabytes} MB) of ${history.expected.size} browsers in ${seconds(tookMs)}`)
  return history
}

async function pageBack(up: Up, history: History): Promise<void> {
  chapter('Page back through a series', 'Newest first, page by page, as a phone does that scrolls back in time.')
  command(`thermocline scan safari --limit ${SHOWN}`)
  const { code, stdout, stderr } = await runCommand(['scan', 'safari', '--limit', String(SHOWN), '--endpoints', up.endpoints.join(',')])
  if (code !== 0) throw new Error(`scan ended with ${code}: ${stderr}`)
  for (const line of stdout.trimEnd().split('\n')) {
    const { date, version, feature } = JSON.parse(line.slice(line.indexOf('\t'))) as Record<string, string>
    detail(`  ${date}  Safari ${version?.padEnd(5)}  ${feature}`)
  }
  using client = await connect({ endpoints: up.endpoints })
  const pages = new Latencies()
  let records = 0
  let oldest = ''
  let continuation: string | undefined
  do {
    const beganMs = performance.now()
    const page = await client.scanPage('safari', { limit: 100, continuation })
    pages.add(performance.now() - beganMs)
    records += page.records.length
    oldest = page.records.at(-1)?.id ?? oldest
    continuation = page.continuation
  } while (continuation !== undefined)
  const wanted = history.expected.get('safari')?.size
  if (records !== wanted) throw new Error(`paging found ${records} records; the file has ${wanted}`)
  const day = new Date(Number(oldest.split('-')[0])).toISOString().slice(0, 10)
  good(`all ${count(records)} records in ${count(pages.count)} pages back to ${day}; a page takes ${millis(pages.quantile(0.5))}`)
}

async function loseReplica(up: Up, keep: (node: StorageProcess) => void): Promise<Outage> {
  chapter(
    'Lose a replica under load',
    `${CLIENTS} clients write ${count(WRITES_PER_SECOND)} records and read ${count(READS_PER_SECOND)} a second. Then one replica is killed.`,
  )
  const load = await Load.start({
    endpoints: up.endpoints,
    clients: CLIENTS,
    writesPerSecond: WRITES_PER_SECOND,
    readsPerSecond: READS_PER_SECOND,
    series: SERIES,
  })
  await watch(load, BEFORE_SECONDS, 'all three replicas')
  const pid = up.pids[VICTIM] as number
  command(`kill -9 ${pid}`)
  load.enter('killed')
  process.kill(pid, 'SIGKILL')
  await watch(load, DOWN_SECONDS, `replica ${VICTIM} is gone`)
  command(`thermocline node --replica ${VICTIM} …`)
  load.enter('catching up')
  const beganMs = performance.now()
  const node = StorageProcess.start(up, VICTIM)
  keep(node)
  const lag = await waitUntilLevel(up, node)
  const catchUpMs = performance.now() - beganMs
  good(`replica ${VICTIM} is back and level with the others after ${seconds(catchUpMs)}; it had missed ${count(lag)} entries`)
  load.enter('quiet again')
  await watch(load, AFTER_SECONDS, 'all three replicas')
  const rejoinMs = await loseDisk(up, load, node, keep)
  load.enter('quiet again')
  await watch(load, AFTER_SECONDS, 'all three replicas')
  await freeze(up, load)
  await load.stop()
  return { load, lag, catchUpMs, rejoinMs }
}

async function loseDisk(up: Up, load: Load, node: StorageProcess, keep: (node: StorageProcess) => void): Promise<number> {
  chapter(
    'Lose a disk under load',
    'The replica dies again, and this time its disk is empty when it returns. What it had promised to the others is gone with it.',
  )
  const data = join(up.folder, `g0-r${VICTIM}`)
  command(`kill -9 …; rm -r ${data}`)
  load.enter('killed')
  await node.killNow()
  rmSync(data, { recursive: true })
  await watch(load, WIPED_SECONDS, `replica ${VICTIM} is gone`)
  command(`thermocline node --replica ${VICTIM} …`)
  load.enter('rejoining')
  const beganMs = performance.now()
  const fresh = StorageProcess.start(up, VICTIM)
  keep(fresh)
  await handTopology(up, VICTIM)
  await untilVoter(up, fresh)
  const tookMs = performance.now() - beganMs
  good(`replica ${VICTIM} has learned everything from the others, compared digests, and votes again after ${seconds(tookMs)}`)
  return tookMs
}

async function freeze(up: Up, load: Load): Promise<void> {
  chapter(
    'Freeze a replica under load',
    'Its connections stay open and nothing is answered: a machine that swaps, a disk that hangs. Calls go to the others as well.',
  )
  const pid = up.pids[FROZEN] as number
  command(`kill -STOP ${pid}`)
  load.enter('frozen')
  process.kill(pid, 'SIGSTOP')
  try {
    await watch(load, FROZEN_SECONDS, `replica ${FROZEN} is frozen`)
  } finally {
    command(`kill -CONT ${pid}`)
    process.kill(pid, 'SIGCONT')
  }
  load.enter('thawed')
  await watch(load, AFTER_SECONDS, 'all three replicas')
}

/** Shows how far the learner is, until it votes in every block. */
async function untilVoter(up: Up, node: StorageProcess): Promise<void> {
  const untilMs = performance.now() + CATCH_UP_TIMEOUT_MS
  let shown = ''
  let shownAtMs = 0
  while (performance.now() < untilMs) {
    const status = await replicaStatus(up.http[VICTIM] as string).catch(() => undefined)
    if (status?.mode === 'Voter') return
    const { learner } = status ?? {}
    const line =
      learner === undefined
        ? ''
        : `replica ${VICTIM} learns: votes in ${count(learner.voting)} of ${count(learner.blocks)} blocks, ${(learner.copiedBytes / 1e6).toFixed(0)} MB copied`
    if (line !== shown && line !== '' && performance.now() - shownAtMs > 1000) {
      detail(line)
      shown = line
      shownAtMs = performance.now()
    }
    if (!node.isRunning) throw new Error(`replica ${VICTIM} did not start again; its log is ${join(up.folder, `g0-r${VICTIM}.log`)}`)
    await delay(200)
  }
  throw new Error(`replica ${VICTIM} has not learned within ${seconds(CATCH_UP_TIMEOUT_MS)}`)
}

/** Shows the load second by second. */
async function watch(load: Load, forSeconds: number, what: string): Promise<void> {
  for (let second = 0; second < forSeconds; second++) {
    const before = { writes: load.writes, reads: load.reads, atMs: performance.now() }
    await delay(1000)
    const perSecond = 1000 / (performance.now() - before.atMs)
    const writes = count((load.writes - before.writes) * perSecond)
    const reads = count((load.reads - before.reads) * perSecond)
    detail(`${what}: ${writes.padStart(5)} writes/s, ${reads.padStart(5)} reads/s, ${load.failures.length} failures`)
  }
}

/**
 * Level: the returned replica has all that the others had at the look before. Returns how far behind it was found at
 * first.
 */
async function waitUntilLevel(up: Up, node: StorageProcess): Promise<number> {
  const untilMs = performance.now() + CATCH_UP_TIMEOUT_MS
  let lag: number | undefined
  let target = Number.POSITIVE_INFINITY
  let shownAtMs = 0
  while (performance.now() < untilMs) {
    const all = await Promise.all(up.http.map((http) => replicaStatus(http).catch(() => undefined)))
    const mine = all[VICTIM]
    const most = Math.max(...all.map((status: ReplicaStatus | undefined) => status?.chosenTotal ?? 0))
    if (mine?.state === 'serving') {
      lag ??= most - mine.chosenTotal
      if (mine.chosenTotal >= target) return lag
      target = most
      if (performance.now() - shownAtMs > 500) {
        detail(`replica ${VICTIM} catches up: ${count(most - mine.chosenTotal)} entries behind`)
        shownAtMs = performance.now()
      }
    }
    if (!node.isRunning) throw new Error(`replica ${VICTIM} did not start again; its log is ${join(up.folder, `g0-r${VICTIM}.log`)}`)
    await delay(25)
  }
  throw new Error(`replica ${VICTIM} did not catch up within ${seconds(CATCH_UP_TIMEOUT_MS)}`)
}

async function prove(up: Up, history: History, { load }: Outage): Promise<void> {
  chapter('Check everything', 'Do the three replicas hold the same, and is every acknowledged record there? Each one is asked alone.')
  if (load.failures.length > 0) {
    for (const failure of load.failures.slice(0, 5)) bad(failure)
    throw new Error(`${count(load.failures.length)} requests failed`)
  }
  if (load.writesPerSecond < LEAST_WRITES_PER_SECOND) {
    throw new Error(`${count(load.writesPerSecond)} writes a second were acknowledged; this demo wants ${LEAST_WRITES_PER_SECOND}`)
  }
  const { blocks, entries, tookMs } = await waitForAgreement(up.http)
  good(`digests of all ${count(blocks)} blocks agree on all three replicas, at ${count(entries)} log entries (${millis(tookMs)})`)
  const everything = new Map([...history.expected, ...load.acknowledged])
  for (const [at, http] of up.http.entries()) {
    const beganMs = performance.now()
    const records = await readBack(http, everything)
    good(`replica ${at} has all ${count(records)} acknowledged records, every byte as written (${seconds(performance.now() - beganMs)})`)
  }
}

function report(history: History, { load, catchUpMs, rejoinMs, lag }: Outage, tookMs: number): void {
  const { writeLatencies: writes, readLatencies: reads } = load
  const rows: readonly (readonly [string, string])[] = [
    ['records imported', count(history.records)],
    ['writes acknowledged', `${count(load.writes)} (${count(load.writesPerSecond)}/s by ${CLIENTS} clients)`],
    ['reads answered', count(load.reads)],
    ['requests failed', String(load.failures.length)],
    ['longest gap in service', millis(load.longestGapMs)],
    ['rejoin with an empty disk', `${seconds(rejoinMs)}, from start of the process until it votes in every block`],
    ['catch-up', `${seconds(catchUpMs)}, from start of the process, ${count(lag)} entries`],
    ['write latency', `p50 ${millis(writes.quantile(0.5))}, p99 ${millis(writes.quantile(0.99))}, most ${millis(writes.quantile(1))}`],
    ['read latency', `p50 ${millis(reads.quantile(0.5))}, p99 ${millis(reads.quantile(0.99))}, most ${millis(reads.quantile(1))}`],
    ['the demo took', seconds(tookMs)],
  ]
  tell()
  for (const [name, value] of rows) tell(`   ${name.padEnd(28)}${value}`)
  tell('\n   Latency in ms, by what was going on:\n')
  for (const line of phaseTable(load.phases)) tell(`   ${line}`)
  tell('\nA replica was lost, then a disk, another one froze, and nobody failed. Run your own: ./thermocline up')
}

async function main(): Promise<void> {
  const beganMs = performance.now()
  const folder = makeTemporaryFolder()
  const running: { up?: Up; node?: StorageProcess } = {}
  const stop = async () => {
    await Promise.all([running.node?.stop(), running.up?.stop()])
    removeTemporaryFolder(folder)
  }
  const onSignal = () => {
    tell('\nstopping')
    // What is not stopped in time is killed on exit.
    void stop().finally(() => process.exit(130))
  }
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  try {
    tell('Thermocline: a strongly consistent store for time-ordered records.')
    running.up = await startCluster(join(folder, 'cluster'))
    const history = await importHistory(running.up, folder)
    await pageBack(running.up, history)
    const outage = await loseReplica(running.up, (node) => {
      running.node = node
    })
    await prove(running.up, history, outage)
    report(history, outage, performance.now() - beganMs)
  } finally {
    await stop()
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    tell()
    bad(`the demo failed: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  },
)
