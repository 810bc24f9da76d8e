/** A small file system of its own for one volume, which a file beside the volume can fill. Needs root on Linux. */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { CampaignFault } from './faults.ts'

/** Room for the log and the tables of a campaign of an hour. */
const SIZE = '600m'
const FULL_MS = 4000

export interface SmallDisk {
  readonly volume: string
  readonly fault: CampaignFault
  close(): void
}

/** Undefined where no file system can be mounted. */
export function openSmallDisk(): SmallDisk | undefined {
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return undefined
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-small-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', folder])
  const close = (): void => {
    execFileSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true, force: true })
  }
  return { volume: join(folder, 'volume'), fault: fillDisk(folder), close }
}

function fillDisk(folder: string): CampaignFault {
  const ballast = join(folder, 'ballast')
  return {
    kind: 'fill the disk of one',
    leavesMajority: true,
    run: async () => {
      const { bavail, bsize } = statfsSync(folder)
      // Reserves the space at once: the clients run in this process, and must not wait for a write of that size.
      await promisify(execFile)('fallocate', ['--length', String(bavail * bsize), ballast])
      await delay(FULL_MS)
      rmSync(ballast)
    },
  }
}
