/**
 * A real cluster for tests: starts `thermocline up --ephemeral`, waits until it serves, and stops it.
 *
 *     const cluster = await startCluster()
 *     const client = await connect({ endpoints: cluster.endpoints })
 *     …
 *     client.close()
 *     await cluster.stop()
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { ThermoclineError } from '@thermocline/protocol'

/** Start-up and stop of a cluster may take this long before the test is told so. */
const DEFAULT_START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 15_000
/** Lines of the cluster's output that an error quotes. */
const QUOTED_LINES = 20

export interface ClusterOptions {
  /** The `thermocline` executable. Default: the environment's THERMOCLINE_BIN, else `thermocline` on PATH. */
  readonly executable?: string | undefined
  /** Replicas per group: 1, 3 or 5. Default 3. */
  readonly replicas?: number | undefined
  /** Storage groups. Default 1. */
  readonly groups?: number | undefined
  readonly startTimeoutMs?: number | undefined
}

export interface Cluster {
  readonly clusterId: string
  /** Data ports, for `connect`. */
  readonly endpoints: readonly string[]
  /** URLs of the HTTP ports, in the same order. */
  readonly httpEndpoints: readonly string[]
  /** Process ids of the replicas, in the same order, for tests that kill one. */
  readonly pids: readonly number[]
  /** Stops the cluster and removes its data. Idempotent. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** The line that `thermocline up --json` prints when the cluster serves. */
interface ReadyLine {
  readonly event: 'ready'
  readonly clusterId: string
  readonly endpoints: readonly string[]
  readonly http: readonly string[]
  readonly pids: readonly number[]
}

/**
 * Starts an ephemeral cluster on free ports.
 * @throws ThermoclineError `unavailable` if it does not serve in time, with what it said.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const executable = options.executable ?? process.env.THERMOCLINE_BIN ?? 'thermocline'
  const { replicas = 3, groups = 1, startTimeoutMs = DEFAULT_START_TIMEOUT_MS } = options
  // If this process dies, the pipe to the cluster's standard input closes, and the cluster ends itself.
  const args = [
    'up',
    '--ephemeral',
    '--until-stdin-ends',
    '--json',
    '--port',
    '0',
    '--replicas',
    String(replicas),
    '--groups',
    String(groups),
  ]
  const child = spawn(executable, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const stop = () => stopChild(child)
  try {
    const ready = await waitUntilReady(child, executable, startTimeoutMs)
    return {
      clusterId: ready.clusterId,
      endpoints: ready.endpoints,
      httpEndpoints: ready.http,
      pids: ready.pids,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function waitUntilReady(child: ChildProcess, executable: string, timeoutMs: number): Promise<ReadyLine> {
  const said: string[] = []
  return new Promise((resolve, reject) => {
    const fail = (what: string, cause?: unknown) => {
      clearTimeout(timer)
      const quote = said.length === 0 ? '' : `; it said:\n${said.slice(-QUOTED_LINES).join('\n')}`
      reject(new ThermoclineError('unavailable', `${executable} up: ${what}${quote}`, { cause }))
    }
    const timer = setTimeout(() => fail(`did not serve within ${timeoutMs} ms`), timeoutMs)
    child.once('error', (error) =>
      fail(`could not be started (${error.message}); set THERMOCLINE_BIN or the option executable to the thermocline executable`, error),
    )
    child.once('exit', (code, signal) => fail(`exited with ${signal ?? code} before it served`))
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (line) => said.push(line))
    if (child.stdout === null) return
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push(line)
      const event = parse(line)
      if (event?.event !== 'ready') return
      clearTimeout(timer)
      resolve(event)
    })
  })
}

function parse(line: string): ReadyLine | undefined {
  try {
    return JSON.parse(line) as ReadyLine
  } catch {
    return undefined
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await gone
  clearTimeout(timer)
}
