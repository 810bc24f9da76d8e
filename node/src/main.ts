/** The node program: reads its configuration, hands in the real world, starts the role, stops on SIGTERM. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from '@thermocline/client'
import { formatFlags, ThermoclineError } from '@thermocline/protocol'
import pino from 'pino'
import { allowedHosts, createHttpServer } from './admin/mod.ts'
import type { VolumeName } from './admin/ports.ts'
import { FLAGS, type NodeConfig, readConfig } from './config.ts'
import { Complaints } from './doors/complaints.ts'
import { Traffic } from './doors/traffic.ts'
import { lockFile, openEngine } from './engine/mod.ts'
import { letGarbageGather } from './garbage.ts'
import { formatInspection, inspectVolume } from './inspect.ts'
import { osClock } from './io/os/clock.ts'
import { OsLogFolder } from './io/os/log-folder.ts'
import { moveAside } from './io/os/move-aside.ts'
import { OsPeerNetwork } from './io/os/peer-network.ts'
import { OsStateFiles } from './io/os/state-files.ts'
import { TcpServer } from './io/os/tcp-server.ts'
import { readTokenFile } from './io/os/token-file.ts'
import { logOutput } from './log-output.ts'
import { divideMemory } from './memory-budget.ts'
import { claimedReplica } from './paxos/frames.ts'
import { openReplica } from './replica/replica.ts'
import { openVolume, parseVolume, VOLUME_FILE, type Volume } from './replica/volume.ts'
import { MEMORY_FLAGS, MEMORY_NODE_TRAFFIC, readMemoryConfig } from './roles/memory/config.ts'
import { fetchHotPagesBy } from './roles/memory/hot-pages.ts'
import { createMemoryHttp } from './roles/memory/http.ts'
import { MemoryNode } from './roles/memory/memory-node.ts'
import { ForeignVolume } from './roles/storage/foreign-volume.ts'
import { StorageNode } from './roles/storage/storage-node.ts'
import { openTier } from './tier/tier.ts'

const LOCK_FILE = 'LOCK'
/** EX_TEMPFAIL of sysexits: start it again. */
const RESTART_EXIT_CODE = 75
/** Of a memory node; a part of the room that docs/memory-tier.md asks for beside the cache. */
const MEMORY_NODE_GARBAGE_BYTES = 48 * 1024 * 1024
/** A stop that takes longer than this ends without what is left. */
const STOP_TIMEOUT_MS = 9000
/** Until who gave the order has its answer. */
const ANSWER_TIME_MS = 200

const randomHex = (bytes: number): string => randomBytes(bytes).toString('hex')

/** `inspect DATADIR [--json]`. */
async function inspect(args: readonly string[]): Promise<void> {
  const [dataDir] = args.filter((argument) => argument !== '--json')
  if (dataDir === undefined)
    throw new ThermoclineError('invalid_argument', 'DATADIR: is missing; usage: thermocline inspect DATADIR [--json]')
  if (existsSync(join(dataDir, LOCK_FILE))) lockFile(join(dataDir, LOCK_FILE))
  const found = await inspectVolume(dataDir)
  process.stdout.write(`${args.includes('--json') ? JSON.stringify(found, undefined, 2) : formatInspection(found)}\n`)
}

async function serveMemory(): Promise<void> {
  const config = readMemoryConfig(process.argv.slice(2), process.env)
  const log = pino({ level: config.logLevel, base: { role: 'memory', group: config.group, machine: config.machine } }, logOutput)
  letGarbageGather(MEMORY_NODE_GARBAGE_BYTES, osClock.every)
  const world = {
    clock: osClock,
    randomHex,
    server: new TcpServer(),
    openTier,
    fetchHotPages: fetchHotPagesBy(osClock),
    connect,
    traffic: new Traffic(MEMORY_NODE_TRAFFIC),
    complaints: new Complaints((what, fields) => log.warn(fields, what), osClock.every),
    log,
  }
  const node = new MemoryNode(config, world)
  const http = await createMemoryHttp(node, config, world, log)
  node.httpAddress = await http.listen(config.http)
  stopOnSignals(log, async () => {
    await node.stop()
    await http.close()
  })
  await node.start()
  log.info({ data: node.dataAddress, http: node.httpAddress, state: node.state }, 'listening')
}

async function serve(): Promise<void> {
  const config = readConfig(process.argv.slice(2), process.env)
  const log = pino({ level: config.logLevel, base: { group: config.group, replica: config.replica } }, logOutput)
  const token = config.tokenFile === undefined ? undefined : readTokenFile(config.tokenFile)
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  lockFile(join(config.dataDir, LOCK_FILE))
  const stateFiles = new OsStateFiles(config.dataDir)
  let volume: Volume
  try {
    volume = await openVolume(stateFiles, { ...config, freshNonce: randomHex(8) })
  } catch (error) {
    const isForeign = error instanceof ThermoclineError && (error.code === 'wrong_cluster' || error.code === 'corrupt')
    if (!isForeign || config.foreignVolume === 'refuse') throw error
    await waitWithForeignVolume(config, stateFiles, error, token, log)
    return
  }
  const budget = divideMemory(config.memoryBytes, config.versionCacheBytes)
  const traffic = new Traffic(budget.traffic)
  const complaints = new Complaints((what, fields) => log.warn(fields, what), osClock.every)
  const world = {
    clock: osClock,
    traffic,
    complaints,
    random: Math.random,
    randomHex,
    stateFiles,
    logFolder: new OsLogFolder(join(config.dataDir, 'log')),
    network: new OsPeerNetwork({ replica: config.replica, traffic, complaints, claimedReplica }),
    server: new TcpServer(),
    openEngine,
    openReplica,
    log,
    dropEngine: (path: string) => rm(path, { recursive: true, force: true }),
    restart: (reason: string) => {
      log.fatal({ reason }, 'the volume has to rejoin under a new incarnation: start the node again')
      process.exit(RESTART_EXIT_CODE)
    },
    fatal: (error: Error) => {
      log.fatal({ error: describe(error) }, 'the store cannot go on; restart the node once the cause is mended')
      process.exit(70)
    },
  }
  letGarbageGather(budget.garbageBytes, osClock.every)
  const node = new StorageNode(config, world, volume)
  const http = await createHttpServer({
    data: node,
    admin: node,
    randomHex,
    token,
    doors: world,
    hosts: allowedHosts(config.http, config.allowHosts),
    logger: log,
  })
  node.httpAddress = await http.listen(config.http)
  await node.start()
  log.info({ data: node.dataAddress, http: node.httpAddress, state: node.state }, 'listening')

  stopOnSignals(log, () => Promise.all([http.close(), node.stop()]))
}

/** Ends the process in order at the first signal, and in any case before long. */
function stopOnSignals(log: pino.Logger, end: () => Promise<unknown>): void {
  let isStopping = false
  const stop = (signal: string): void => {
    if (isStopping) return
    isStopping = true
    log.info({ signal }, 'stopping')
    setTimeout(() => {
      log.warn({}, 'the stop took too long; what is in memory is in the log')
      process.exit(0)
    }, STOP_TIMEOUT_MS).unref()
    void end().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error: String(error) }, 'stopping failed')
        process.exit(1)
      },
    )
  }
  process.on('uncaughtException', (error) => {
    log.fatal({ error: error.stack }, 'a bug: the process ends; what was acknowledged is in the log')
    process.exit(70)
  })
  process.on('SIGTERM', () => stop('SIGTERM'))
  process.on('SIGINT', () => stop('SIGINT'))
  process.on('SIGHUP', () => stop('SIGHUP'))
}

/** Somebody else's data: nothing is done with it until that is ordered. */
async function waitWithForeignVolume(
  config: NodeConfig,
  files: OsStateFiles,
  error: ThermoclineError,
  token: string | undefined,
  log: pino.Logger,
): Promise<void> {
  const owner = await ownerOf(files)
  const doors = {
    traffic: new Traffic(divideMemory(config.memoryBytes).traffic),
    complaints: new Complaints((what, fields) => log.warn(fields, what), osClock.every),
  }
  const node = new ForeignVolume(
    config,
    { owner, reason: error.message },
    {
      clock: osClock,
      traffic: doors.traffic,
      moveAside: () => moveAside(config.dataDir, owner),
      restart: (reason) => {
        log.fatal({ reason }, 'start the node again: it begins on an empty volume')
        setTimeout(() => process.exit(RESTART_EXIT_CODE), ANSWER_TIME_MS)
      },
    },
  )
  const http = await createHttpServer({
    data: node,
    admin: node,
    randomHex,
    token,
    doors,
    hosts: allowedHosts(config.http, config.allowHosts),
    logger: log,
  })
  node.httpAddress = await http.listen(config.http)
  log.error({ error: describe(error), http: node.httpAddress }, 'the volume is not this replica’s; nothing of it is touched')
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void http.close().then(() => process.exit(0)))
}

async function ownerOf(files: OsStateFiles): Promise<VolumeName | undefined> {
  try {
    const { clusterId, group, replica } = parseVolume((await files.read(VOLUME_FILE)) ?? new Uint8Array())
    return { clusterId, group, replica }
  } catch {
    return undefined
  }
}

const describe = (error: unknown): string =>
  error instanceof ThermoclineError ? `${error.code}: ${error.message}` : String(error instanceof Error ? error.stack : error)

const isMemory =
  process.argv.some((argument, at) => argument === '--role=memory' || (argument === 'memory' && process.argv[at - 1] === '--role')) ||
  process.env.THERMOCLINE_ROLE === 'memory'
if (process.argv.includes('--help')) {
  process.stdout.write(isMemory ? formatFlags('thermocline node --role memory', MEMORY_FLAGS) : formatFlags('thermocline node', FLAGS))
  process.exit(0)
}
const run = process.argv[2] === 'inspect' ? inspect(process.argv.slice(3)) : isMemory ? serveMemory() : serve()
run.catch((error: unknown) => {
  const coded = error instanceof ThermoclineError
  process.stderr.write(`thermocline ${process.argv[2] === 'inspect' ? 'inspect' : 'node'}: ${describe(error)}\n`)
  process.exit(coded ? 2 : 1)
})
