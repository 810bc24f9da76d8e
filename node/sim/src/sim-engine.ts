/**
 * The engine as it is, on a disk that is not always at hand: a read sometimes says NEEDS_IO, and its async twin answers
 * after a while, with what was true when it was asked; a flush is refused while the disk is full. A flush, and the end of an install, take a
 * while, one after the other: the state on the disk changes somewhere in the middle, so that a process that dies meanwhile leaves the old
 * one, or the new one without anybody's having been told. A validation from disk ends, with
 * what it puts into the version cache, as late as its answer comes: entries may be applied meanwhile. And what a learner copies
 * is sometimes wrong in a way that the copy's own checks do not see: its digest tells until it is copied again. So does that of a
 * block whose content a fault has made wrong.
 */
import { ThermoclineError } from '@thermocline/protocol'
import { type Engine, type MemoryStore, NEEDS_IO } from '../../src/engine/mod.ts'
import { NEVER } from '../../src/paxos/pending-validation.ts'
import type { SimDisk } from './disk.ts'
import type { Scheduler } from './scheduler.ts'

const ANSWER_BYTES = 64 * 1024

export interface EngineHits {
  misses: number
  wrongCopies: number
  /** Validations that ended some time after they began; of them those whose block had moved on. */
  deferredValidations: number
  staleFills: number
  /** Flushes and ends of installs that a process did not live to see: not begun, and done. */
  undone: number
  untold: number
}

const WRONG_DIGEST = 'bad'.padEnd(16, '0')
/** How long half of a flush, or of the end of an install, takes at most. */
const SLOWEST_HALVES_MS = [0.5, 5, 40]
const ROTTEN_DIGEST = 'badbad'.padEnd(16, '0')
const WRONG_COPY = 0.3
/** A patient validation was sent for a miss: most of them meet it again. */
const PATIENT_MISS = 0.8
const SLOW_READ = 0.3
const SLOWEST_READ_MS = 150
/** In a validation's body. */
const PATIENCE_AT = 4
const FIRST_BLOCK_AT = 7

/** Reads that the stores have deferred: each goes on when its time has come, at the latest when the run ends. */
export class DeferredReads {
  private readonly scheduler: Scheduler
  private readonly waiting = new Set<() => void>()

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler
  }

  later(delayMs: number, proceed: () => void): void {
    this.waiting.add(proceed)
    this.scheduler.at(delayMs, () => {
      if (this.waiting.delete(proceed)) proceed()
      this.scheduler.hasReactions = true
    })
  }

  /** Engines wait for what is under way before they close. */
  end(): void {
    for (const proceed of this.waiting) proceed()
    this.waiting.clear()
  }
}

export interface SimEngineOptions {
  readonly scheduler: Scheduler
  readonly disk: SimDisk
  readonly store: MemoryStore
  readonly deferred: DeferredReads
  readonly missProbability: number
  /** False once the process has ended. */
  readonly isAlive: () => boolean
  /** Its digest will still be compared: the one thing that notices a wrong copy. */
  readonly willCompare: (block: number) => boolean
  /** Blocks whose content has gone wrong here, until a copy replaces it. */
  readonly rotten: Set<number>
  readonly hits: EngineHits
}

export function simEngine(engine: Engine, options: SimEngineOptions): Engine {
  const { scheduler, disk, store, deferred, missProbability, isAlive, willCompare, rotten, hits } = options
  const wrong = new Set<number>()
  const installing = new Map<number, readonly number[]>()
  const misses = (probability = missProbability): boolean => {
    if (!scheduler.random.chance(probability)) return false
    hits.misses++
    return true
  }
  const later = <T>(value: T): Promise<T> =>
    new Promise((resolve) => {
      scheduler.at(scheduler.random.between(0.1, 20), () => {
        if (!isAlive()) return
        scheduler.hasReactions = true
        resolve(value)
      })
    })
  const half = (onDeath: 'undone' | 'untold'): Promise<void> =>
    new Promise((resolve) => {
      scheduler.at(scheduler.random.between(0.05, scheduler.random.pick(SLOWEST_HALVES_MS)), () => {
        if (!isAlive()) {
          hits[onDeath]++
          return
        }
        scheduler.hasReactions = true
        resolve()
      })
    })
  let row: Promise<unknown> = Promise.resolve()
  const slowly = <T>(run: () => Promise<T>): Promise<T> => {
    const done = row.then(async () => {
      disk.tableWrites++
      try {
        await half('undone')
        const value = await run()
        await half('untold')
        return value
      } finally {
        disk.tableWrites--
      }
    })
    row = done.catch(() => {})
    return done
  }
  return new Proxy(engine, {
    get(target, name) {
      if (name === 'peek') return (...args: Parameters<Engine['peek']>) => (misses() ? NEEDS_IO : target.peek(...args))
      if (name === 'peekAsync') return (...args: Parameters<Engine['peek']>) => later(target.peek(...args))
      if (name === 'get' || name === 'scan' || name === 'pageVersions')
        return (...args: Parameters<Engine['get']>) => (misses() ? NEEDS_IO : target[name](...args))
      if (name === 'getAsync' || name === 'scanAsync' || name === 'pageVersionsAsync') {
        const read = name === 'getAsync' ? 'get' : name === 'scanAsync' ? 'scan' : 'pageVersions'
        return (block: number, request: Uint8Array, offset: number, length: number) => {
          let out = new Uint8Array(ANSWER_BYTES)
          let bytes = target[read](block, request, offset, length, out, 0)
          if (bytes < NEEDS_IO) {
            // That is how it says what it needs (engine/port.ts).
            out = new Uint8Array(-2 - bytes)
            bytes = target[read](block, request, offset, length, out, 0)
          }
          if (bytes !== NEEDS_IO) return later(out.slice(0, bytes))
          // It has to step over more than a read may on the engine's thread.
          scheduler.hasReactions = true
          return target[name](block, request, offset, length).then(later)
        }
      }
      if (name === 'validate') {
        return (...[body, offset, length, needs, count, out]: Parameters<Engine['validate']>) => {
          const isPatient = body[offset + PATIENCE_AT] === 1 && missProbability > 0
          const known = needs.slice(0, count).map((need) => (misses(isPatient ? PATIENT_MISS : missProbability) ? NEVER : need))
          return target.validate(body, offset, length, known, count, out)
        }
      }
      if (name === 'validateAsync') {
        return (request: Uint8Array, offset: number, length: number) => {
          const { random } = scheduler
          const block = (request[offset + FIRST_BLOCK_AT] as number) | ((request[offset + FIRST_BLOCK_AT + 1] as number) << 8)
          const asked = target.appliedIndex(block)
          const { answer, proceed } = store.defer(() => target.validateAsync(request, offset, length))
          deferred.later(random.between(0.1, random.chance(SLOW_READ) ? SLOWEST_READ_MS : 20), () => {
            hits.deferredValidations++
            if (target.appliedIndex(block) !== asked) hits.staleFills++
            proceed()
          })
          return answer.then((bytes) => (isAlive() ? bytes : new Promise<never>(() => {})))
        }
      }
      if (name === 'digest') {
        return (block: number) => (wrong.has(block) ? WRONG_DIGEST : rotten.has(block) ? ROTTEN_DIGEST : target.digest(block))
      }
      if (name === 'installBegin') {
        return async (blocks: readonly number[]) => {
          const install = await target.installBegin(blocks)
          installing.set(install, blocks)
          return install
        }
      }
      if (name === 'installEnd') {
        return (install: number) => {
          for (const block of installing.get(install) ?? []) {
            rotten.delete(block)
            // Never twice in a row: a copy of a copy would not end.
            if (wrong.delete(block) || !willCompare(block) || !scheduler.random.chance(WRONG_COPY)) continue
            wrong.add(block)
            hits.wrongCopies++
          }
          installing.delete(install)
          return slowly(() => target.installEnd(install))
        }
      }
      if (name === 'flush') {
        return () =>
          disk.takesMore()
            ? slowly(() => target.flush())
            : Promise.reject(new ThermoclineError('disk_full', 'the tables could not be written: no space left on device'))
      }
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}

/** The engine as an outsider sees it, who knows which blocks have gone wrong and does not count them. */
export function exceptRotten(engine: Engine, table: Engine, rotten: ReadonlySet<number>): Engine {
  return new Proxy(engine, {
    get(target, name) {
      if (name === 'digest') return (block: number) => (rotten.has(block) ? table : target).digest(block)
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}
