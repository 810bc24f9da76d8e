/** The faults of the campaign: each breaks something, waits, and mends it. */
import { closeSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Group, REPLICAS } from './group.ts'
import type { NodeUnderTest } from './node-under-test.ts'
import type { Direction } from './proxy.ts'

export interface CampaignFault {
  readonly kind: string
  /** Whether a majority is left that can go on: then clients must hardly notice. */
  readonly leavesMajority: boolean
  /** Breaks and mends; resolves when what it broke is whole again. */
  run(group: Group): Promise<void>
}

/** A majority does without the one that is broken for so long. */
const BROKEN_MS = 4000
/** Nobody can do without a majority. */
const MAJORITY_BROKEN_MS = 2500
const REJOIN_TIMEOUT_MS = 120_000

const any = (): number => Math.floor(Math.random() * REPLICAS)
const others = (replica: number): number[] => Array.from({ length: REPLICAS }, (_, i) => i).filter((other) => other !== replica)
const around = (replica: number): Direction[] =>
  others(replica).flatMap((other): Direction[] => [`${replica}>${other}`, `${other}>${replica}`])
const two = (): number[] => others(any())
const all = (): number[] => Array.from({ length: REPLICAS }, (_, i) => i)

async function cut({ proxies }: Group, directions: readonly Direction[], forMs: number): Promise<void> {
  proxies.cut(directions)
  await delay(forMs)
  proxies.mend()
}

async function killAndRestart({ nodes }: Group, replicas: readonly number[], downMs: number): Promise<void> {
  const hit = replicas.map((replica) => nodes[replica] as NodeUnderTest)
  await Promise.all(hit.map((node) => node.kill()))
  await delay(downMs)
  for (const node of hit) node.start()
  await Promise.all(hit.map((node) => node.until(['serving'])))
}

async function freeze({ nodes }: Group, replicas: readonly number[], forMs: number): Promise<void> {
  const hit = replicas.map((replica) => nodes[replica] as NodeUnderTest)
  for (const node of hit) node.freeze()
  await delay(forMs)
  for (const node of hit) node.thaw()
}

/** Gives a replica's volume back changed; it must notice, and learn from the others. */
async function spoil({ nodes }: Group, replica: number, change: (folder: string) => void): Promise<void> {
  const node = nodes[replica] as NodeUnderTest
  await node.kill()
  change(node.place.folder)
  await delay(500)
  node.start()
  await node.until(['learning', 'serving'], REJOIN_TIMEOUT_MS)
  await node.until(['serving'], REJOIN_TIMEOUT_MS)
}

export const FAULTS: readonly CampaignFault[] = [
  { kind: 'kill one', leavesMajority: true, run: (group) => killAndRestart(group, [any()], 1500) },
  { kind: 'freeze one', leavesMajority: true, run: (group) => freeze(group, [any()], BROKEN_MS) },
  { kind: 'isolate one', leavesMajority: true, run: (group) => cut(group, around(any()), BROKEN_MS) },
  {
    kind: 'cut one way',
    leavesMajority: true,
    run: (group) => {
      const from = any()
      return cut(group, [`${from}>${others(from)[Math.floor(Math.random() * 2)] as number}`], BROKEN_MS)
    },
  },
  {
    kind: 'one hears nobody',
    leavesMajority: true,
    run: (group) => {
      const deaf = any()
      return cut(
        group,
        others(deaf).map((other): Direction => `${other}>${deaf}`),
        BROKEN_MS,
      )
    },
  },
  { kind: 'wipe one', leavesMajority: true, run: (group) => spoil(group, any(), (folder) => rmSync(folder, { recursive: true })) },
  { kind: 'flip a bit of one', leavesMajority: true, run: (group) => spoil(group, any(), flipBit) },
  { kind: 'kill a majority', leavesMajority: false, run: (group) => killAndRestart(group, two(), MAJORITY_BROKEN_MS) },
  { kind: 'freeze a majority', leavesMajority: false, run: (group) => freeze(group, two(), MAJORITY_BROKEN_MS) },
  { kind: 'cut all apart', leavesMajority: false, run: (group) => cut(group, all().flatMap(around), MAJORITY_BROKEN_MS) },
  { kind: 'kill all', leavesMajority: false, run: (group) => killAndRestart(group, all(), 500) },
  { kind: 'freeze all', leavesMajority: false, run: (group) => freeze(group, all(), MAJORITY_BROKEN_MS) },
]

/** Flips one bit in the middle of what the newest log segment holds. */
function flipBit(folder: string): void {
  const path = newestSegment(folder)
  const file = openSync(path, 'r+')
  const bytes = new Uint8Array(statSync(path).size)
  readSync(file, bytes, 0, bytes.length, 0)
  const end = bytes.findLastIndex((byte) => byte !== 0)
  const at = Math.floor(end / 2)
  writeSync(file, new Uint8Array([(bytes[at] as number) ^ 1]), 0, 1, at)
  closeSync(file)
}

function newestSegment(folder: string): string {
  const logs = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.log'))
  const newest = logs
    .map((name) => join(folder, name))
    .toSorted((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs)
    .at(-1)
  if (newest === undefined) throw new Error(`${folder} holds no log segment`)
  return newest
}
