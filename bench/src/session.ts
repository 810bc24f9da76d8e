/** A run: a folder on a disk, the systems that were started for it, and their end, however the run ends. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { describeMachine } from './machine.ts'
import type { Machine } from './results.ts'

interface Stoppable {
  stop(): Promise<void>
}

export interface Session {
  readonly folder: string
  readonly machine: Machine
  readonly loadBefore: number
  /** Stops it when the run ends. */
  add<T extends Stoppable>(starting: Promise<T>): Promise<T>
}

export async function inSession<T>(parent: string, act: (session: Session) => Promise<T>): Promise<T> {
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'run-'))
  const running: Stoppable[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((one) => one.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
  const interrupted = (): void => void stop().then(() => process.exit(130))
  process.once('SIGINT', interrupted)
  try {
    const add = async <S extends Stoppable>(starting: Promise<S>): Promise<S> => {
      const started = await starting
      running.push(started)
      return started
    }
    return await act({ folder, machine: describeMachine(folder), loadBefore: Number((loadavg()[0] ?? 0).toFixed(2)), add })
  } finally {
    process.off('SIGINT', interrupted)
    await stop()
  }
}
