/**
 * One `up` per data directory. The lock file names the process that holds it and the nodes it started; a lock whose
 * process is gone is taken over, after the nodes that it left behind are ended: they write to the same volumes.
 */
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ThermoclineError } from '@thermocline/protocol'
import { isRunning, type ProcessRef, refOf } from './process-table.ts'

/** How long nodes of a killed `up` get to stop before they are killed. */
const LEFTOVER_STOP_MS = 10_000

interface LockFile {
  readonly owner: ProcessRef
  readonly nodes: readonly ProcessRef[]
}

export class DataLock {
  private readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /** @throws ThermoclineError `locked` if another `up` runs on the directory. */
  static async take(folder: string, say: (line: string) => void): Promise<DataLock> {
    const lock = new DataLock(join(folder, 'lock'))
    for (;;) {
      if (lock.create()) return lock
      const held = lock.read()
      if (held !== undefined && isRunning(held.owner)) {
        throw new ThermoclineError('locked', `up: process ${held.owner.pid} runs a cluster on ${folder} already`)
      }
      for (const node of held?.nodes ?? []) await endLeftover(node, say)
      rmSync(lock.path, { force: true })
    }
  }

  /** Notes the running nodes, for whoever takes the lock over. */
  setNodes(pids: readonly number[]): void {
    const temporary = `${this.path}.new`
    writeFileSync(temporary, JSON.stringify({ owner: refOf(process.pid), nodes: pids.map(refOf) } satisfies LockFile), { mode: 0o600 })
    renameSync(temporary, this.path)
  }

  release(): void {
    rmSync(this.path, { force: true })
  }

  private create(): boolean {
    try {
      closeSync(openSync(this.path, 'wx', 0o600))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
    this.setNodes([])
    return true
  }

  private read(): LockFile | undefined {
    try {
      return JSON.parse(readFileSync(this.path, 'utf8')) as LockFile
    } catch {
      return undefined
    }
  }
}

async function endLeftover(node: ProcessRef, say: (line: string) => void): Promise<void> {
  if (!isRunning(node)) return
  say(`stopping node ${node.pid}, left over from a cluster that was killed`)
  process.kill(node.pid, 'SIGTERM')
  const until = performance.now() + LEFTOVER_STOP_MS
  while (isRunning(node)) {
    if (performance.now() > until) process.kill(node.pid, 'SIGKILL')
    await delay(50)
  }
}
