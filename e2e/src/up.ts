/**
 * A cluster that `thermocline up --json` runs: started, watched and stopped as a user would. It has a process group of its
 * own, so that a Ctrl-C in the terminal reaches only the caller, and nothing of it outlives the caller.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { runCommand } from './command.ts'
import { EXECUTABLE } from './executable.ts'
import type { ProgramOptions, ProgramResult } from './program.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

const START_TIMEOUT_MS = 300_000
const STOP_TIMEOUT_MS = 20_000

/** A line of `up --json`; which fields there are depends on the event. */
export interface UpEvent {
  readonly event: string
  readonly node?: string
  readonly pid?: number
  readonly how?: string
}

interface ReadyEvent extends UpEvent {
  readonly event: 'ready'
  readonly clusterId: string
  readonly data: string
  readonly endpoints: readonly string[]
  readonly http: readonly string[]
  readonly pids: readonly number[]
  readonly memory: readonly MemoryPlace[]
}

/** A memory node, as it was when the cluster was ready. */
export interface MemoryPlace {
  readonly data: string
  readonly http: string
  readonly pid: number
}

export class Up {
  readonly clusterId: string
  readonly folder: string
  /** Data ports, by group and replica. */
  readonly endpoints: readonly string[]
  /** URLs of the HTTP ports, in the same order. */
  readonly http: readonly string[]
  /** Process ids as they were when the cluster was ready. */
  readonly pids: readonly number[]
  readonly memory: readonly MemoryPlace[]
  readonly startedInMs: number
  readonly events: readonly UpEvent[]
  private readonly child: ChildProcess
  private readonly ended: Promise<number>
  private readonly killAll: () => void

  private constructor(child: ChildProcess, ready: ReadyEvent, startedInMs: number, events: UpEvent[], killAll: () => void) {
    this.child = child
    this.clusterId = ready.clusterId
    this.folder = ready.data
    this.endpoints = ready.endpoints
    this.http = ready.http
    this.pids = ready.pids
    this.memory = ready.memory
    this.startedInMs = startedInMs
    this.events = events
    this.killAll = killAll
    this.ended = endOf(child)
  }

  /** Resolves when the cluster serves. Fails, with what `up` said, when it ends before. */
  static async start(args: readonly string[]): Promise<Up> {
    const beganMs = performance.now()
    const child = spawn(EXECUTABLE, ['up', '--json', '--until-stdin-ends', ...args], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const killAll = () => killGroup(child)
    process.once('exit', killAll)
    const events: UpEvent[] = []
    try {
      const ready = await firstReady(child, events)
      return new Up(child, ready, performance.now() - beganMs, events, killAll)
    } catch (error) {
      killAll()
      process.removeListener('exit', killAll)
      throw error
    }
  }

  /** A new cluster in a folder of its own, on free ports. */
  static fresh(...args: readonly string[]): Promise<Up> {
    return Up.start(['--data', makeTemporaryFolder(), '--port', '0', ...args])
  }

  /** Runs a command against this cluster. */
  run(args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
    return runCommand(args, { ...options, env: { ...options.env, THERMOCLINE_ENDPOINTS: this.endpoints.join(',') } })
  }

  /** Runs a command that must succeed; resolves to what it printed. */
  async output(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args)
    if (code !== 0) throw new Error(`thermocline ${args.join(' ')}: exit code ${code}\n${stderr}`)
    return stdout
  }

  /** Runs a command with --json that must succeed; resolves to the values it printed. */
  async json(...args: readonly string[]): Promise<Record<string, unknown>[]> {
    const text = await this.output(...args, '--json')
    return text
      .trimEnd()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** Sends SIGINT, as Ctrl-C does. Resolves to the exit code. */
  async stop(): Promise<number> {
    this.child.kill('SIGINT')
    const timer = setTimeout(this.killAll, STOP_TIMEOUT_MS)
    const code = await this.ended
    clearTimeout(timer)
    process.removeListener('exit', this.killAll)
    return code
  }

  /** Ends `up` and its nodes with SIGKILL, all at once: a power cut. */
  async kill(): Promise<void> {
    this.killAll()
    await this.ended
    process.removeListener('exit', this.killAll)
  }

  /** Ends `up` alone with SIGKILL; its nodes go on. */
  async killSupervisor(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }

  /** The process id that a node has now, after restarts. */
  pidOf(at: number): number {
    const name = `g0-r${at}`
    const started = this.events.findLast((event) => event.event === 'started' && event.node === name)
    return started?.pid ?? (this.pids[at] as number)
  }
}

function endOf(child: ChildProcess): Promise<number> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode ?? -1)
  return once(child, 'exit').then(([code]) => (code as number | null) ?? -1)
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function firstReady(child: ChildProcess, events: UpEvent[]): Promise<ReadyEvent> {
  const said: string[] = []
  return new Promise((resolve, reject) => {
    const fail = (what: string) => {
      clearTimeout(timer)
      reject(new Error(`thermocline up ${what}\n${said.join('\n')}`))
    }
    const timer = setTimeout(() => fail(`did not serve within ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS)
    child.once('error', (error) => fail(error.message))
    child.once('close', (code, signal) => fail(`ended with ${signal ?? code}`))
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (line) => said.push(line))
    if (child.stdout === null) return
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push(line)
      const event = JSON.parse(line) as UpEvent
      events.push(event)
      if (event.event !== 'ready') return
      clearTimeout(timer)
      resolve(event as ReadyEvent)
    })
  })
}
