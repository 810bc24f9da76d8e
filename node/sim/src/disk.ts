/**
 * The disk of one simulated machine. A log write becomes durable when it completes; a crash before that leaves any
 * subset of its 512-byte sectors behind, and so does a write that fails. Small files are replaced atomically.
 */
import type { LogFile, LogFolder, StateFiles } from '../../src/io/ports.ts'
import type { Scheduler } from './scheduler.ts'

const SECTOR_BYTES = 512

interface InFlight {
  readonly file: SimFile
  readonly bytes: Uint8Array
  readonly offset: number
}

export class SimFile {
  content: Uint8Array

  constructor(content: Uint8Array) {
    this.content = content
  }
}

export interface DiskCopy {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly states: ReadonlyMap<string, Uint8Array>
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}

/** What survives crashes. */
export class SimDisk {
  readonly files = new Map<string, SimFile>()
  readonly states = new Map<string, Uint8Array>()
  readonly inFlight = new Set<InFlight>()
  private readonly scheduler: Scheduler
  /** Mean time of a durable write, in ms. */
  syncMs = 1
  /** No write completes before this time. */
  stalledUntilMs = 0
  /** The next write under way fails. */
  failsNextSync = false
  /** Nothing new can be put on it; what is there can be overwritten. */
  isFull = false
  /** Sees what is being put into the log. */
  onLogWrite: (file: SimFile, bytes: Uint8Array, offset: number) => void = () => {}
  readonly hits = { tornSectors: 0, failedSyncs: 0, refusedForSpace: 0 }

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler
  }

  /** The machine loses power: what was being written is partly there. */
  crash(): void {
    for (const write of this.inFlight) this.tear(write)
    this.inFlight.clear()
  }

  private tear({ file, bytes, offset }: InFlight): void {
    const { random } = this.scheduler
    const keep = random.next()
    for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
      if (!random.chance(keep)) continue
      file.content.set(bytes.subarray(at, at + SECTOR_BYTES), offset + at)
      this.hits.tornSectors++
    }
  }

  /** Everything on it now, to be put back later. */
  copy(): DiskCopy {
    const files = new Map([...this.files].map(([name, { content }]) => [name, content.slice()]))
    return { files, states: new Map(this.states) }
  }

  /** The disk is as it was when it was copied: a volume snapshot was restored. No process may run on it. */
  restore({ files, states }: DiskCopy): void {
    this.files.clear()
    for (const [name, content] of files) this.files.set(name, new SimFile(content.slice()))
    this.states.clear()
    for (const [name, bytes] of states) this.states.set(name, bytes)
  }

  /** Whether something new may be put on the disk; counts the refusals. */
  takesMore(): boolean {
    if (this.isFull) this.hits.refusedForSpace++
    return !this.isFull
  }

  /** Everything works again. */
  mend(): void {
    this.syncMs = 1
    this.stalledUntilMs = 0
    this.failsNextSync = false
    this.isFull = false
  }

  /** The view of one process life: nothing reaches it once `isAlive` is false. */
  open(isAlive: () => boolean): { logFolder: LogFolder; stateFiles: StateFiles } {
    const { scheduler } = this
    const later = <T>(make: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        scheduler.at(scheduler.random.between(0.02, 0.3), () => {
          if (!isAlive()) return
          scheduler.hasReactions = true
          try {
            resolve(make())
          } catch (error) {
            reject(error as Error)
          }
        })
      })
    const logFile = (file: SimFile): LogFile => ({
      write: (bytes, offset, done) => {
        const write: InFlight = { file, bytes: bytes.slice(), offset }
        this.inFlight.add(write)
        this.onLogWrite(file, write.bytes, offset)
        const { random } = scheduler
        const stall = random.chance(0.01) ? random.between(5, 120) : 0
        const ready = (): void => {
          if (!isAlive()) return
          if (scheduler.nowMs < this.stalledUntilMs) {
            scheduler.at(this.stalledUntilMs - scheduler.nowMs, ready)
            return
          }
          this.inFlight.delete(write)
          scheduler.hasReactions = true
          if (this.failsNextSync) {
            this.failsNextSync = false
            this.hits.failedSyncs++
            this.tear(write)
            done(systemError('EIO', 'input/output error'))
            return
          }
          file.content.set(write.bytes, offset)
          done(undefined)
        }
        scheduler.at(this.syncMs * random.between(0.3, 2) + stall, ready)
      },
      read: (offset, length) => later(() => file.content.slice(offset, offset + length)),
      close: () => Promise.resolve(),
    })
    const logFolder: LogFolder = {
      list: () => later(() => [...this.files.keys()]),
      open: (name) => later(() => logFile(this.files.get(name) as SimFile)),
      create: (name, bytes) =>
        later(() => {
          if (!this.takesMore()) throw systemError('ENOSPC', 'no space left on device')
          const file = new SimFile(new Uint8Array(bytes))
          this.files.set(name, file)
          return logFile(file)
        }),
      remove: (name) =>
        later(() => {
          this.files.delete(name)
        }),
    }
    const stateFiles: StateFiles = {
      read: (name) => later(() => this.states.get(name)),
      replace: (name, bytes) =>
        later(() => {
          this.states.set(name, bytes.slice())
        }),
    }
    return { logFolder, stateFiles }
  }
}
