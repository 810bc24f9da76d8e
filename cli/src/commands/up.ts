/** `thermocline up`: a whole local cluster in the foreground. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { cacheFilePrefix, ThermoclineError } from '@thermocline/protocol'
import type { Command } from 'commander'
import { DEFAULT_SHAPE, LocalCluster } from '../cluster/local-cluster.ts'
import { DataLock } from '../cluster/lock.ts'
import type { NodeEvents } from '../cluster/node-process.ts'
import { addJson, parseWhole } from '../options.ts'
import { printJson, printLine } from '../report.ts'
import { formatTable } from '../table.ts'

/** Where nodes keep caches that outlive them, unless the environment names another place. */
const SHARED_MEMORY = '/dev/shm'

interface UpOptions {
  readonly replicas?: number
  readonly groups?: number
  readonly data: string
  readonly ephemeral?: true
  readonly port?: number
  readonly nodeMemory?: string
  readonly memory?: number
  readonly cache?: string
  readonly allowHost?: string
  readonly sliceDurationMs?: number
  readonly restart: boolean
  readonly untilStdinEnds?: true
  readonly json?: true
}

export function addUp(program: Command): void {
  addJson(
    program
      .command('up')
      .description('run a whole cluster on this machine, one process per replica, until Ctrl-C')
      .option('--replicas <n>', `replicas per group: 1, 3 or 5 (default: ${DEFAULT_SHAPE.replicas})`, parseWhole(1, 5))
      .option('--groups <n>', `storage groups (default: ${DEFAULT_SHAPE.groups})`, parseWhole(1, 1000))
      .option('--data <dir>', 'where everything is kept; started again on it, everything is there', './thermocline-data')
      .option('--ephemeral', 'keep the data in a temporary folder and remove it at the end')
      .option('--port <base>', `base of the ports, 0 for free ones (default: ${DEFAULT_SHAPE.port})`, parseWhole(0, 65_535))
      .option('--node-memory <size>', 'memory of each storage node, like 512MiB')
      .option('--memory <n>', 'nodes of the memory tier, for each group (default: what the folder has, or 0)', parseWhole(0, 16))
      .option('--cache <size>', 'cache of each memory node, like 1GiB (default: 256MiB)')
      .option('--allow-host <names>', 'names by which the HTTP ports may be asked beside localhost, with commas between')
      .option('--slice-duration-ms <ms>', 'length of a time slice, fixed when the cluster is created', parseWhole(1000, 0xffffffff))
      .option('--no-restart', 'leave a node down that ended by itself')
      .option('--until-stdin-ends', 'stop when standard input ends: for programs, whose death nothing should outlive'),
  ).action(run)
}

async function run(options: UpOptions): Promise<void> {
  const say = (event: string, fields: Record<string, unknown>, line: string) =>
    options.json === true ? printJson({ event, ...fields }) : printLine(line)
  const folder = options.ephemeral === true ? mkdtempSync(join(tmpdir(), 'thermocline-')) : makeFolder(options.data)
  const removeData = () => {
    if (options.ephemeral !== true) return
    rmSync(folder, { recursive: true, force: true })
    if (cluster !== undefined) removeCaches(cluster.state.clusterId)
  }
  let lock: DataLock | undefined
  let cluster: LocalCluster | undefined
  const stopped = stopSignal(options.untilStdinEnds === true)
  const progress = { isServing: false }
  try {
    lock = await DataLock.take(folder, (line) => say('cleanup', { message: line }, line))
    const { replicas, groups, port, nodeMemory, memory, cache, allowHost, sliceDurationMs, restart } = options
    const events = reporter(say, progress)
    cluster = await LocalCluster.open(
      { folder, replicas, groups, port, nodeMemory, memory, cache, allowHost, sliceDurationMs, restarts: restart },
      lock,
      events,
    )
    const { clusterId, places } = cluster.state
    say('starting', { clusterId, nodes: places.length }, `starting ${places.length} ${places.length === 1 ? 'node' : 'nodes'}`)
    const started = cluster.start((warning) => say('warning', { message: warning }, warning))
    // A stop during the start ends the nodes, which fails the start; that failure is not news.
    started.catch(() => {})
    const first = await Promise.race([started.then(() => 'serving' as const), stopped.promise])
    if (first === 'serving') {
      progress.isServing = true
      announce(cluster, options)
      await stopped.promise
    }
    say('stopping', {}, '\nstopping')
    stopped.onSecond(() => cluster?.kill())
    await cluster.stop()
    say('stopped', {}, 'stopped')
  } catch (error) {
    cluster?.kill()
    await cluster?.stop()
    lock?.release()
    throw error
  } finally {
    stopped.end()
    removeData()
  }
}

/** What the nodes' caches leave in shared memory for the next process of the same cluster. */
function removeCaches(clusterId: string): void {
  const { THERMOCLINE_CACHE_DIR, THERMOCLINE_VERSION_CACHE_DIR } = process.env
  for (const folder of new Set([THERMOCLINE_CACHE_DIR ?? SHARED_MEMORY, THERMOCLINE_VERSION_CACHE_DIR ?? SHARED_MEMORY])) {
    if (!existsSync(folder)) continue
    const own = readdirSync(folder).filter((name) => name.startsWith(cacheFilePrefix(clusterId)))
    for (const name of own) rmSync(join(folder, name), { force: true })
  }
}

/** @throws ThermoclineError `invalid_argument` if it cannot be a directory. */
function makeFolder(data: string): string {
  const folder = resolve(data)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new ThermoclineError('invalid_argument', `--data: ${folder} cannot be used as a directory (${(cause as Error).message})`, {
      cause,
    })
  }
  return folder
}

function reporter(
  say: (event: string, fields: Record<string, unknown>, line: string) => void,
  progress: { isServing: boolean },
): NodeEvents {
  return {
    onStarted: ({ place: { name } }, pid) => {
      if (progress.isServing) say('started', { node: name, pid }, `${name} runs again, process ${pid}`)
    },
    onExited: ({ place: { name }, logPath }, how, restartInMs) => {
      // During the start it fails the start, which says more.
      if (!progress.isServing) return
      const next = restartInMs === undefined ? 'it stays down' : `it is started again in ${restartInMs} ms`
      say('exited', { node: name, how, restartInMs, log: logPath }, `${name} ended (${how}); ${next}; its log is ${logPath}`)
    },
  }
}

function announce(cluster: LocalCluster, options: UpOptions): void {
  const { clusterId, places, groups, replicas } = cluster.state
  const pids = cluster.nodes.map((node) => node.pid)
  if (options.json === true) {
    const http = places.map((place) => `http://${place.http}`)
    const memory = cluster.memoryNodes.map(({ place, pid }) => ({ data: place.data, http: `http://${place.http}`, pid }))
    printJson({ event: 'ready', clusterId, data: cluster.folder, endpoints: places.map((place) => place.data), http, pids, memory })
    return
  }
  const [first] = places
  const where = options.ephemeral === true ? 'data is removed at the end' : `data in ${cluster.folder}`
  printLine(`Thermocline serves: ${groups} ${groups === 1 ? 'group' : 'groups'} of ${replicas}, ${where}\n`)
  const nodes = [...cluster.nodes, ...cluster.memoryNodes]
  const rows = nodes.map(({ place, pid }) => [place.name, place.data, `http://${place.http}`, String(pid ?? '')])
  printLine(formatTable([{ title: 'node' }, { title: 'data port' }, { title: 'HTTP' }, { title: 'process', right: true }], rows))
  const endpoints = first?.data === `127.0.0.1:${DEFAULT_SHAPE.port}` ? '' : ` --endpoints ${first?.data}`
  printLine(`
Try, in another terminal:
  thermocline append${endpoints} greetings 'hello'
  thermocline scan${endpoints} greetings
  thermocline status${endpoints}
  curl -X POST --data 'hello' http://${first?.http}/v1/series/greetings/records
  curl http://${first?.http}/v1/series/greetings/records

Ctrl-C stops it.`)
}

/** The first SIGINT, SIGTERM, SIGHUP or, if asked for, end of standard input; a second signal is told apart. */
function stopSignal(withStdin: boolean) {
  let second: () => void = () => {}
  let resolve: (value: 'stop') => void = () => {}
  const promise = new Promise<'stop'>((settle) => {
    resolve = settle
  })
  let seen = 0
  const onSignal = () => {
    seen++
    if (seen === 1) resolve('stop')
    else second()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, onSignal)
  const onStdinEnd = () => resolve('stop')
  if (withStdin) process.stdin.once('close', onStdinEnd).resume()
  return {
    promise,
    onSecond: (then: () => void) => {
      second = then
    },
    end: () => {
      for (const signal of signals) process.removeListener(signal, onSignal)
      if (withStdin) process.stdin.removeListener('close', onStdinEnd).destroy()
    },
  }
}
