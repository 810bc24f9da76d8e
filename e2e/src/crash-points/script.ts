/**
 * The scripted run whose calls are swept: three lives of a node of one replica on one folder, with writes of all sizes to
 * a few records, overwritten and removed again and again; segments made, filled and recycled; flushes; topologies; a
 * process killed at work, and one stopped.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '@thermocline/simulation'
import { type Call, endRecord, readTrace } from './call.ts'
import { Disk } from './disk.ts'
import { ALL_KEPT } from './fates.ts'
import type { Write } from './promises.ts'
import { SmallNode } from './small-node.ts'

export const SERIES = ['a', 'b', 'c', 'd']
/** Records of a series. */
const RECORDS = 6
const BATCH = 6
const LARGEST_VALUE = 3500
/** Where the run notes what it begins and what was acknowledged; no part of the volume. */
export const NOTES = '/notes'

export interface Run {
  readonly calls: readonly Call[]
  readonly writes: readonly Write[]
}

class Script {
  private readonly random: Random
  private readonly root: string
  private readonly trace: string
  private readonly library: string
  private readonly writes: Write[] = []

  constructor(folder: string, library: string, seed: number) {
    this.random = new Random(seed)
    this.root = join(folder, 'run')
    this.trace = join(folder, 'trace')
    this.library = library
    mkdirSync(this.root)
  }

  async run(): Promise<Run> {
    await this.life(async (node) => {
      await node.run({ topology: 1 })
      await this.work(node, 4)
      await node.run({ flush: true })
      // Writes go on during these flushes, enough of them to recycle what a flush releases.
      for (let i = 0; i < 2; i++) {
        await this.work(node, 4)
        await Promise.all([node.run({ flush: true }), this.work(node, 14)])
      }
      await this.work(node, 1)
      // Killed with a batch under way.
      void this.work(node, 1).catch(() => {})
    })
    await this.life(async (node) => {
      await this.work(node, 3)
      await node.run({ topology: 2 })
      await node.run({ flush: true })
      await this.work(node, 2)
      await node.run({ stop: true })
    })
    await this.life(async (node) => {
      await this.work(node, 2)
      await node.run({ flush: true })
      await this.work(node, 1)
      // From here on what does not wait for the log overtakes it.
      await node.run({ die: join(this.root, 'slow-log') }).catch(() => {})
      await this.work(node, 1)
      await node.run({ flush: true })
    })
    const calls = readTrace(this.trace)
    assertComplete(calls, this.root)
    return { calls, writes: this.writes }
  }

  private async life(what: (node: SmallNode) => Promise<void>): Promise<void> {
    const node = new SmallNode({ LD_PRELOAD: this.library, CRASH_ROOT: this.root, CRASH_TRACE: this.trace })
    await node.run({ open: this.root })
    await what(node)
    await node.run({ die: join(this.root, 'die') }).catch(() => {})
    writeFileSync(this.trace, endRecord(), { flag: 'a' })
  }

  private async work(node: SmallNode, batches: number): Promise<void> {
    for (let i = 0; i < batches; i++) await node.run({ write: this.batch(), notes: join(this.root, NOTES) })
  }

  private batch(): Write[] {
    const records = SERIES.flatMap((series) => Array.from({ length: RECORDS }, (_, ms) => ({ series, ms: ms * 400 })))
    return Array.from({ length: BATCH }, () => {
      const [record] = records.splice(this.random.below(records.length), 1)
      const number = this.writes.length + 1
      const value = `${number} `.padEnd(Math.floor(LARGEST_VALUE * this.random.next() ** 2), 'thermocline ')
      const write = { number, ...(record as { series: string; ms: number }), ...(this.random.chance(0.2) ? {} : { value }) }
      this.writes.push(write)
      return write
    })
  }
}

/** Traces a run below `folder`, with the library that `trace.c` was made into. */
export function traceRun(folder: string, library: string, seed: number): Promise<Run> {
  return new Script(folder, library, seed).run()
}

/** With every call applied the model holds what the folder holds; else the trace has missed one. */
function assertComplete(calls: readonly Call[], root: string): void {
  const disk = new Disk()
  for (const call of calls) disk.apply(call)
  const everything = disk.image(ALL_KEPT)
  for (const [path, bytes] of everything) {
    if (bytes !== 'folder' && !readFileSync(join(root, path)).equals(bytes))
      throw new Error(`the trace does not explain what is in ${path}`)
  }
  if (!everything.has('/volume.json')) throw new Error('the trace is empty: was the library preloaded?')
}
