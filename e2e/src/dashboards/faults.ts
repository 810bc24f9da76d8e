/** Faults that a local cluster can be brought into, and the alerts that must fire in them and be over after them. */
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@thermocline/client'
import { Up } from '../up.ts'
import type { AlertWatch } from './alert-watch.ts'

const VALUE_BYTES = 64 * 1024
const MOST_WRITES = 20_000

const GROUP_ALERTS = [
  'ThermoclineGroupDegraded',
  'ThermoclineNoMajority',
  'ThermoclineReplicaLearning',
  'ThermoclineNeedsOperator',
] as const

const UNANSWERED = 'ThermoclineMemoryValidationsFailing'

/** A replica that stands still is like one that is cut off; without a majority memory nodes get no answers either. */
export async function standStill(alerts: AlertWatch, up: Up): Promise<void> {
  const signal = (at: number, name: 'SIGSTOP' | 'SIGCONT') => process.kill(up.pidOf(at), name)
  await alerts.isOver(...GROUP_ALERTS, UNANSWERED)
  try {
    signal(2, 'SIGSTOP')
    await alerts.fires('ThermoclineGroupDegraded')
    await alerts.isOver('ThermoclineNoMajority')
    signal(1, 'SIGSTOP')
    await alerts.fires('ThermoclineNoMajority', UNANSWERED)
  } finally {
    signal(1, 'SIGCONT')
    signal(2, 'SIGCONT')
  }
  await alerts.isOver(...GROUP_ALERTS, UNANSWERED)
}

/** A volume is lost while another replica is away: too few are left to learn from, until that one is back. */
export async function loseVolume(alerts: AlertWatch, up: Up): Promise<void> {
  const away = up.pidOf(1)
  const seen = up.events.length
  const volume = join(up.folder, 'g0-r2')
  try {
    process.kill(away, 'SIGSTOP')
    process.kill(up.pidOf(2), 'SIGKILL')
    while (!up.events.slice(seen).some(({ event, node }) => event === 'exited' && node === 'g0-r2')) await delay(10)
    for (const name of readdirSync(volume)) rmSync(join(volume, name), { recursive: true })
    await alerts.fires('ThermoclineNeedsOperator', 'ThermoclineNoMajority')
  } finally {
    process.kill(away, 'SIGCONT')
  }
  await alerts.isOver(...GROUP_ALERTS)
}

/** A cluster of one replica on a small tmpfs. */
export class SmallDisk {
  readonly up: Up
  private readonly folder: string

  private constructor(up: Up, folder: string) {
    this.up = up
    this.folder = folder
  }

  /** Undefined for who may not mount. */
  static async start(): Promise<SmallDisk | undefined> {
    if (process.getuid?.() !== 0 || process.platform !== 'linux') return undefined
    const folder = mkdtempSync(join(tmpdir(), 'thermocline-small-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', folder])
    try {
      const up = await Up.start(['--data', join(folder, 'cluster'), '--replicas', '1', '--node-memory', '128MiB', '--port', '0'])
      return new SmallDisk(up, folder)
    } catch (error) {
      unmount(folder)
      throw error
    }
  }

  async fill(alerts: AlertWatch): Promise<void> {
    await alerts.isOver('ThermoclineDiskFull')
    const client = await connect({ endpoints: [...this.up.endpoints] })
    const value = new Uint8Array(VALUE_BYTES)
    let isFull = false
    for (let at = 0; at < MOST_WRITES && !isFull; at++) {
      randomFillSync(value)
      isFull = await client.put('fill', { ms: at, seq: 0 }, value, { timeoutMs: 3000 }).then(
        () => false,
        () => true,
      )
    }
    client.close()
    await alerts.fires('ThermoclineDiskFull')
    execFileSync('mount', ['-o', 'remount,size=600m', this.folder])
    await alerts.isOver('ThermoclineDiskFull')
  }

  async stop(): Promise<void> {
    await this.up.stop()
    unmount(this.folder)
  }
}

function unmount(folder: string): void {
  execFileSync('umount', ['-l', folder])
  rmSync(folder, { recursive: true, force: true })
}
