/** What the run ran on. */
import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import type { Machine } from './results.ts'

const TMPFS_MAGIC = 0x01021994

/** @throws Error if the folder is not on a disk: a sync would cost nothing there. */
export function describeMachine(folder: string): Machine {
  if (statfsSync(folder).type === TMPFS_MAGIC) {
    throw new Error(`--folder: ${folder} is on a tmpfs, where a sync costs nothing; choose a folder on a disk`)
  }
  const fileSystem = execFileSync('stat', ['-f', '-c', '%T', folder], { encoding: 'utf8' }).trim()
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.versions.node,
    fileSystem,
  }
}
