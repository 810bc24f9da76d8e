/** Processes to measure: started with their output in a file, watched, timed from /proc, ended. Linux. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Kernel clock ticks per second of /proc/PID/stat; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
const QUOTED_BYTES = 2000
const POLL_MS = 50

/** User and system time of one line of /proc/PID/stat, in ticks. The name, in brackets, may hold anything. */
export function cpuTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

/** CPU seconds of processes so far, all threads, user and system. @throws Error if one of them has ended. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) ticks += cpuTicks(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  return ticks / TICKS_PER_SECOND
}

/** Different ports of 127.0.0.1 that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

/** A process whose output goes to a file; the end of it explains a failure. */
export class Server {
  readonly name: string
  private readonly child: ChildProcess
  private readonly logPath: string
  private ending: string | undefined

  constructor(name: string, command: readonly string[], logPath: string, env: NodeJS.ProcessEnv = process.env) {
    this.name = name
    this.logPath = logPath
    const log = openSync(logPath, 'w')
    const [program, ...args] = command as [string, ...string[]]
    this.child = spawn(program, args, { stdio: ['ignore', log, log], env })
    closeSync(log)
    this.child.once('error', (error) => {
      this.ending = error.message
    })
    this.child.once('exit', (code, signal) => {
      this.ending = signal ?? `exit code ${code}`
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  output(): string {
    return readFileSync(this.logPath, 'utf8')
  }

  /** Asks until it answers. @throws Error with the end of its output, if it ends or takes longer than `timeoutMs`. */
  async until<T>(ask: () => T | undefined | Promise<T | undefined>, timeoutMs: number): Promise<T> {
    const until = performance.now() + timeoutMs
    while (this.ending === undefined && performance.now() < until) {
      const answer = await ask()
      if (answer !== undefined) return answer
      await delay(POLL_MS)
    }
    const how = this.ending === undefined ? `was not ready within ${timeoutMs} ms` : `ended (${this.ending})`
    throw new Error(`${this.name} ${how}; its output ends with\n${this.output().slice(-QUOTED_BYTES)}`)
  }

  /** SIGTERM, and SIGKILL after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    if (this.ending !== undefined) return
    const gone = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs)
    await gone
    clearTimeout(timer)
  }
}
