/** Starts one replica of a cluster by hand with `thermocline node`, on the volume and the addresses that `up` gave it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { EXECUTABLE } from './executable.ts'
import type { Up } from './up.ts'

const STOP_TIMEOUT_MS = 15_000

export class StorageProcess {
  private readonly child: ChildProcess
  private readonly kill: () => void

  private constructor(child: ChildProcess) {
    this.child = child
    // The launcher and the node that it starts are one process group.
    this.kill = () => {
      if (child.pid !== undefined && this.isRunning) process.kill(-child.pid, 'SIGKILL')
    }
    process.once('exit', this.kill)
    child.once('exit', () => process.removeListener('exit', this.kill))
  }

  /** Replica `at` of a cluster with one group. */
  static start(up: Up, at: number): StorageProcess {
    const flags = {
      role: 'storage',
      data: join(up.folder, `g0-r${at}`),
      group: '0',
      replica: String(at),
      cluster: up.clusterId,
      listen: up.endpoints[at] as string,
      http: (up.http[at] as string).replace('http://', ''),
      'token-file': join(up.folder, 'token'),
    }
    const log = openSync(join(up.folder, `g0-r${at}.log`), 'a', 0o600)
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
    const child = spawn(EXECUTABLE, ['node', ...args], { detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
    return new StorageProcess(child)
  }

  /** How it ended: an exit code, or the name of a signal; undefined while it runs. */
  get ending(): number | string | undefined {
    return this.child.signalCode ?? this.child.exitCode ?? undefined
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** As a power cut would: resolves once it is gone. */
  async killNow(): Promise<void> {
    const ended = once(this.child, 'exit')
    process.removeListener('exit', this.kill)
    this.kill()
    await ended
  }

  async stop(): Promise<number> {
    process.removeListener('exit', this.kill)
    if (!this.isRunning) return this.child.exitCode ?? -1
    const ended = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.kill(), STOP_TIMEOUT_MS)
    const [code] = (await ended) as [number | null]
    clearTimeout(timer)
    return code ?? -1
  }
}
