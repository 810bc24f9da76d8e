/** One replica as a real process: started, killed, frozen, thawed, and robbed of its disk. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Incarnation, Topology } from '@thermocline/protocol'
import { EXECUTABLE } from '../executable.ts'

const START_TIMEOUT_MS = 30_000
const POLL_MS = 20
/** A node that ended by itself is started again after this. */
const RESTART_MS = 300

export interface NodePlace {
  readonly replica: number
  readonly clusterId: string
  /** The volume. */
  readonly folder: string
  readonly logFile: string
  readonly tokenFile: string
  readonly token: string
  readonly data: string
  readonly http: string
}

interface Status {
  readonly state: string
  readonly epoch: number
  readonly incarnation: Incarnation
}

export class NodeUnderTest {
  readonly place: NodePlace
  /** What it is given whenever it comes up without one. */
  topology: Topology | undefined
  /** How often it ended without being killed. */
  ownEnds = 0
  private child: ChildProcess | undefined
  private isWanted = false

  constructor(place: NodePlace) {
    this.place = place
  }

  start(): void {
    this.isWanted = true
    const { replica, clusterId, folder, logFile, tokenFile, data, http } = this.place
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const flags = {
      role: 'storage',
      data: folder,
      group: '0',
      replica: String(replica),
      cluster: clusterId,
      listen: data,
      http,
      'token-file': tokenFile,
      memory: '128MiB',
      'log-bytes': '64MiB',
    }
    const log = openSync(logFile, 'a', 0o600)
    const child = spawn(EXECUTABLE, ['node', ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])], {
      detached: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.child = child
    child.once('exit', () => void this.onEnd(child))
    void this.handTopology(child)
  }

  private async onEnd(child: ChildProcess): Promise<void> {
    if (this.child !== child) return
    this.child = undefined
    if (!this.isWanted) return
    this.ownEnds++
    await delay(RESTART_MS)
    if (this.isWanted && this.child === undefined) this.start()
  }

  /** A node whose disk was lost has lost its topology too. */
  private async handTopology(child: ChildProcess): Promise<void> {
    while (this.child === child) {
      const status = await this.status().catch(() => undefined)
      if (status !== undefined && status.state !== 'starting') {
        if (this.topology !== undefined && status.epoch < this.topology.epoch) await this.install(this.topology).catch(() => {})
        else if (this.topology !== undefined) return
      }
      await delay(POLL_MS * 5)
    }
  }

  async status(): Promise<Status> {
    const response = await fetch(`http://${this.place.http}/v1/admin/status`, { signal: AbortSignal.timeout(2000) })
    return (await response.json()) as Status
  }

  async install(topology: Topology): Promise<void> {
    this.topology = topology
    const headers = { authorization: `Bearer ${this.place.token}`, 'content-type': 'application/json' }
    const init = { method: 'PUT', body: JSON.stringify(topology), headers, signal: AbortSignal.timeout(5000) }
    const response = await fetch(`http://${this.place.http}/v1/admin/topology`, init)
    if (!response.ok)
      throw new Error(`replica ${this.place.replica} does not take its topology: ${response.status} ${await response.text()}`)
  }

  /** Waits until the node is in one of these states. */
  async until(states: readonly string[], timeoutMs = START_TIMEOUT_MS): Promise<Status> {
    const untilMs = performance.now() + timeoutMs
    let last = 'nothing'
    while (performance.now() < untilMs) {
      const status = await this.status().catch(() => undefined)
      if (status !== undefined && states.includes(status.state)) return status
      last = status?.state ?? last
      await delay(POLL_MS)
    }
    throw new Error(
      `replica ${this.place.replica} is ${last} after ${timeoutMs} ms; expected ${states.join(' or ')}; see ${this.place.logFile}`,
    )
  }

  /** The launcher and the node that it starts are one process group. */
  private signal(signal: NodeJS.Signals): void {
    const { child } = this
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, signal)
  }

  async kill(): Promise<void> {
    this.isWanted = false
    const { child } = this
    if (child === undefined) return
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
    this.signal('SIGKILL')
    await ended
    this.child = undefined
  }

  /** At process exit, when nothing can be waited for. */
  killNow(): void {
    this.isWanted = false
    this.signal('SIGKILL')
  }

  freeze(): void {
    this.signal('SIGSTOP')
  }

  thaw(): void {
    this.signal('SIGCONT')
  }

  /** The volume is lost. To be called while no process runs. */
  wipe(): void {
    rmSync(this.place.folder, { recursive: true, force: true })
  }
}
