/**
 * Opens, with the real node, what the disk may hold after a power cut at every point of a traced run, and compares what it
 * serves with what it had promised. A point lies after each call that changed what the disk holds or may hold.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '@thermocline/simulation'
import { buildPreload } from '../preload.ts'
import { describeCall, Kind } from './call.ts'
import { Disk, type Fate, type Image, place } from './disk.ts'
import { ALL_KEPT, ALL_LOST, mixed } from './fates.ts'
import { Promises, type Records } from './promises.ts'
import { NOTES, type Run, SERIES, traceRun } from './script.ts'
import { SmallNode } from './small-node.ts'

/** Images are opened on a file system without a disk: thousands of them are synced and thrown away. */
const FOLDER = '/dev/shm'
const WORKERS = 2
/** Folders that one process opens before it makes room for another: it never closes them. */
const MOST_OPENED = 25
/** After so many the rest would say the same. */
const MOST_FAILURES = 20
const PROOF = { number: 0, series: 'proof', ms: 1, value: 'it serves' }

export interface SweepOptions {
  readonly seed: number
  /** The share of the points between syncs and renames that is tried; those are always. */
  readonly share: number
  /** Mixes of what is kept and what is lost, by chance, at each point. */
  readonly mixes: number
}

export interface SweepReport {
  readonly text: string
  readonly failures: readonly string[]
}

interface Trial {
  readonly image: Image
  readonly promises: Promises
  readonly name: string
}

const ALWAYS: ReadonlySet<number> = new Set([Kind.sync, Kind.durable, Kind.finished, Kind.rename])

class Sweep {
  private readonly run: Run
  private readonly options: SweepOptions
  private readonly folder = mkdtempSync(join(FOLDER, 'crash-points-'))
  private readonly seen = new Set<string>()
  private readonly failures: string[] = []
  private points = 0
  private opened = 0

  constructor(run: Run, options: SweepOptions) {
    this.run = run
    this.options = options
  }

  async report(): Promise<SweepReport> {
    const beganMs = performance.now()
    const trials = this.trials()
    try {
      await Promise.all(Array.from({ length: WORKERS }, () => this.work(trials)))
    } finally {
      rmSync(this.folder, { recursive: true, force: true })
    }
    const { run, points, opened, failures } = this
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(1)
    const text = `seed ${this.options.seed}: ${run.calls.length} calls, ${run.writes.length} writes; ${points} points, ${opened} different images opened in ${seconds} s; ${failures.length} failures`
    return { text, failures }
  }

  private *trials(): Generator<Trial> {
    const disk = new Disk()
    const { seed, share, mixes } = this.options
    const random = new Random(seed)
    let notes = ''
    for (const [at, call] of this.run.calls.entries()) {
      disk.apply(call)
      if (!disk.changed) continue
      const noted = disk.current(NOTES)?.toString() ?? ''
      const isNote = noted !== notes
      notes = noted
      if (isNote || (!ALWAYS.has(call.kind) && !random.chance(share))) continue
      this.points++
      const name = `after call ${at} (${describeCall(call)})`
      const fates: [string, Fate][] = [
        ['all kept', ALL_KEPT],
        ['all unsynced lost', ALL_LOST],
      ]
      for (let mix = 0; mix < mixes; mix++) fates.push([`mix ${mix}`, mixed(new Random(seed + at * mixes + mix))])
      for (const [fate, what] of fates) yield* this.trial(disk.image(what), notes, `${name}, ${fate}`)
    }
  }

  /** The same files with the same promises are tried once. */
  private *trial(all: Image, notes: string, name: string): Generator<Trial> {
    const image = new Map([...all].filter(([path]) => path !== NOTES))
    const promises = new Promises(this.run.writes)
    if (notes !== '') promises.note(notes)
    const hash = createHash('sha1').update(String(promises.acknowledged))
    for (const [path, bytes] of [...image].toSorted(([a], [b]) => (a < b ? -1 : 1))) hash.update(path).update(bytes)
    const key = hash.digest('base64')
    if (this.seen.has(key)) return
    this.seen.add(key)
    yield { image, promises, name }
  }

  private async work(trials: Generator<Trial>): Promise<void> {
    let node: SmallNode | undefined
    let folders: string[] = []
    // A process may still flush what it has opened: its folders go when it has gone.
    const replace = async (): Promise<void> => {
      await node?.kill()
      node = undefined
      for (const folder of folders) rmSync(folder, { recursive: true })
      folders = []
    }
    for (const trial of trials) {
      if (folders.length === MOST_OPENED) await replace()
      node ??= new SmallNode()
      const folder = join(this.folder, String(this.opened++))
      folders.push(folder)
      const wrong = await this.judge(node, trial, folder)
      if (wrong === undefined) continue
      this.failures.push(`${trial.name}: ${wrong}`)
      if (this.failures.length >= MOST_FAILURES) break
      await replace()
    }
    await replace()
  }

  private async judge(node: SmallNode, { image, promises }: Trial, folder: string): Promise<string | undefined> {
    place(image, folder)
    try {
      const state = await node.run({ open: folder })
      if (state !== 'serving') return promises.isEmpty ? undefined : `the node is ${state}`
      const wrong = promises.judge((await node.run({ read: SERIES })) as Records)
      if (wrong !== undefined) return wrong
      await node.run({ write: [PROOF], notes: join(folder, NOTES) })
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }
}

/** Traces a run below `folder` and sweeps it. */
export async function sweepRun(folder: string, options: SweepOptions): Promise<SweepReport> {
  const run = await traceRun(folder, buildPreload('crash-points/trace.c', folder), options.seed)
  return new Sweep(run, options).report()
}
