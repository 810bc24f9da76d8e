/**
 * One node of a local cluster: a child process that is started again, after a growing pause, when it ends without being
 * asked to, as a kubelet would do. Its log goes to a file; the last lines of it explain a start that failed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { ReplicaPlace } from './layout.ts'

const RESTART_BASE_MS = 500
const RESTART_CAP_MS = 10_000
/** A node that ran this long starts over with the shortest pause. */
const SOUND_MS = 30_000
const QUOTED_BYTES = 2000
/** A node that found its volume rolled back or damaged ends with this, to start again and rejoin its group. */
const REJOIN_EXIT_CODE = 75

export interface NodeEvents {
  onStarted(node: NodeProcess, pid: number): void
  /** `restartInMs` is undefined if it stays down. */
  onExited(node: NodeProcess, how: string, restartInMs: number | undefined): void
}

export class NodeProcess {
  readonly place: ReplicaPlace
  readonly logPath: string
  /** False once it has ended without being asked to, until it is started again. */
  isUp: boolean = false
  /** It has ended because its volume has to rejoin, and will be started again. */
  isRejoining: boolean = false
  private readonly command: readonly string[]
  private readonly events: NodeEvents
  private readonly restarts: boolean
  private child: ChildProcess | undefined
  private timer: NodeJS.Timeout | undefined
  private isStopping: boolean = false
  private failures = 0
  private startedMs = 0

  constructor(place: ReplicaPlace, command: readonly string[], logPath: string, restarts: boolean, events: NodeEvents) {
    this.place = place
    this.command = command
    this.logPath = logPath
    this.restarts = restarts
    this.events = events
  }

  get pid(): number | undefined {
    return this.isUp ? this.child?.pid : undefined
  }

  start(): void {
    const log = openSync(this.logPath, 'a', 0o600)
    const [program, ...args] = this.command as [string, ...string[]]
    const child = spawn(program, args, { stdio: ['ignore', log, log] })
    closeSync(log)
    this.child = child
    this.isUp = true
    this.isRejoining = false
    this.startedMs = performance.now()
    child.once('error', (error) => this.onEnd(error.message))
    child.once('exit', (code, signal) => {
      this.isRejoining = code === REJOIN_EXIT_CODE && this.restarts && this.isUp
      this.onEnd(signal ?? (code === REJOIN_EXIT_CODE ? 'its volume has to rejoin' : `exit code ${code}`))
    })
    if (child.pid !== undefined) this.events.onStarted(this, child.pid)
  }

  private onEnd(how: string): void {
    if (!this.isUp) return
    this.isUp = false
    if (this.isStopping) return
    if (performance.now() - this.startedMs > SOUND_MS) this.failures = 0
    const pauseMs = this.isRejoining ? RESTART_BASE_MS : Math.min(RESTART_CAP_MS, RESTART_BASE_MS * 2 ** this.failures)
    if (!this.isRejoining) this.failures++
    this.events.onExited(this, how, this.restarts ? pauseMs : undefined)
    if (this.restarts) this.timer = setTimeout(() => this.start(), pauseMs)
  }

  /** Asks it to stop, and kills it after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.isStopping = true
    clearTimeout(this.timer)
    const { child } = this
    if (child === undefined || !this.isUp) return
    const gone = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
    })
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
    await gone
    clearTimeout(timer)
  }

  kill(): void {
    if (this.isUp) this.child?.kill('SIGKILL')
  }

  /** The end of its log, for an error message. */
  lastWords(): string {
    try {
      const text = readFileSync(this.logPath, 'utf8')
      if (text.length <= QUOTED_BYTES) return text.trimEnd()
      const end = text.slice(-QUOTED_BYTES)
      return end.slice(end.indexOf('\n') + 1).trimEnd()
    } catch {
      return ''
    }
  }
}
