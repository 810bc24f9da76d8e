/**
 * The disk of one simulated machine, with the page cache before it. A log write becomes durable when it completes. A process that dies
 * before that leaves the write to its kernel: the next process reads it whole, or not at all, and it is not durable all the same; nor is
 * a write that failed, which may be read as if it were. A power cut leaves any subset of the 512-byte sectors of what was not durable.
 * Small files are replaced atomically.
 */
import type { Random } from '@thermocline/simulation'
import type { LogFile, LogFolder, StateFiles } from '../../src/io/ports.ts'
import type { Scheduler } from './scheduler.ts'

const SECTOR_BYTES = 512
/** How often the kernel has got the write of a process that dies. */
const SUBMITTED = 0.8

interface InFlight {
  readonly file: SimFile
  readonly bytes: Uint8Array
  readonly offset: number
}

/** Bytes of a file that only the page cache has; `before` is what the disk has in their place. */
interface Cached {
  readonly offset: number
  readonly before: Uint8Array
}

export class SimFile {
  /** What is read. */
  content: Uint8Array
  /** The oldest first. */
  private cached: Cached[] = []

  constructor(content: Uint8Array) {
    this.content = content
  }

  /** Makes the bytes durable. */
  put(bytes: Uint8Array, offset: number): void {
    this.content.set(bytes, offset)
    const end = offset + bytes.length
    this.cached = this.cached.flatMap((one) => {
      const oneEnd = one.offset + one.before.length
      if (oneEnd <= offset || one.offset >= end) return [one]
      const left = one.before.subarray(0, Math.max(0, offset - one.offset))
      const right = one.before.subarray(Math.min(one.before.length, end - one.offset))
      return [
        { offset: one.offset, before: left },
        { offset: oneEnd - right.length, before: right },
      ].filter(({ before }) => before.length > 0)
    })
  }

  /** Puts the bytes where they are read, and not on the disk. */
  cache(bytes: Uint8Array, offset: number): void {
    this.cached.push({ offset, before: this.content.slice(offset, offset + bytes.length) })
    this.content.set(bytes, offset)
  }

  /** What only the page cache had is gone, but for the sectors that had made it. Returns how many are gone. */
  losePower(random: Random): number {
    let lost = 0
    for (const { offset, before } of this.cached.reverse()) {
      const keep = random.next()
      for (let at = 0; at < before.length; at += SECTOR_BYTES) {
        if (random.chance(keep)) continue
        this.content.set(before.subarray(at, at + SECTOR_BYTES), offset + at)
        lost++
      }
    }
    this.cached = []
    return lost
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
  /** Flushes and ends of installs under way. */
  tableWrites = 0
  /** Nothing new can be put on it; what is there can be overwritten. */
  isFull = false
  /** Sees what is being put into the log. */
  onLogWrite: (file: SimFile, bytes: Uint8Array, offset: number) => void = () => {}
  readonly hits = { tornSectors: 0, cachedWrites: 0, lostSectors: 0, failedSyncs: 0, refusedForSpace: 0 }

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler
  }

  /** The machine loses power, some time after its process: of what only the page cache had a part is there. */
  cutPower(): void {
    for (const file of this.files.values()) this.hits.lostSectors += file.losePower(this.scheduler.random)
  }

  /** The process dies, and the machine goes on: what it was writing is there or not, as far as anybody reads it. */
  crash(): void {
    for (const write of this.inFlight) if (this.scheduler.random.chance(SUBMITTED)) this.cache(write)
    this.inFlight.clear()
    this.tableWrites = 0
  }

  private cache({ file, bytes, offset }: InFlight): void {
    this.hits.cachedWrites++
    file.cache(bytes, offset)
  }

  private tear({ file, bytes, offset }: InFlight): void {
    const { random } = this.scheduler
    const keep = random.next()
    for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
      if (!random.chance(keep)) continue
      file.put(bytes.subarray(at, at + SECTOR_BYTES), offset + at)
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
            if (random.chance(0.5)) this.cache(write)
            else this.tear(write)
            done(systemError('EIO', 'input/output error'))
            return
          }
          file.put(write.bytes, offset)
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
