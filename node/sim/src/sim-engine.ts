/**
 * The engine as it is, on a disk that is not always at hand: a read sometimes says NEEDS_IO, and its async twin answers
 * after a while, with what was true when it was asked; a flush is refused while the disk is full. And what a learner copies
 * is sometimes wrong in a way that the copy's own checks do not see: its digest tells until it is copied again.
 */
import { ThermoclineError } from '@thermocline/protocol'
import { type Engine, NEEDS_IO } from '../../src/engine/mod.ts'
import { NEVER } from '../../src/paxos/pending-validation.ts'
import type { SimDisk } from './disk.ts'
import type { Scheduler } from './scheduler.ts'

const ANSWER_BYTES = 64 * 1024

export interface EngineHits {
  misses: number
  wrongCopies: number
}

const WRONG_COPY = 0.3

/** `probability` of a miss, `isAlive` false once the process has ended. */
export function simEngine(
  engine: Engine,
  scheduler: Scheduler,
  disk: SimDisk,
  probability: number,
  isAlive: () => boolean,
  /** Its digest will still be compared: the one thing that notices a wrong copy. */
  willCompare: (block: number) => boolean,
  hits: EngineHits,
): Engine {
  const wrong = new Set<number>()
  const misses = (): boolean => {
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
  return new Proxy(engine, {
    get(target, name) {
      if (name === 'peek') return (...args: Parameters<Engine['peek']>) => (misses() ? NEEDS_IO : target.peek(...args))
      if (name === 'peekAsync') return (...args: Parameters<Engine['peek']>) => later(target.peek(...args))
      if (name === 'get') return (...args: Parameters<Engine['get']>) => (misses() ? NEEDS_IO : target.get(...args))
      if (name === 'getAsync') {
        return (block: number, request: Uint8Array, offset: number, length: number) => {
          const out = new Uint8Array(ANSWER_BYTES)
          return later(out.slice(0, target.get(block, request, offset, length, out, 0)))
        }
      }
      if (name === 'validate') {
        return (...[body, offset, length, needs, count, out]: Parameters<Engine['validate']>) =>
          target.validate(
            body,
            offset,
            length,
            needs.slice(0, count).map((need) => (misses() ? NEVER : need)),
            count,
            out,
          )
      }
      if (name === 'validateAsync') {
        return (request: Uint8Array, offset: number, length: number) => {
          const out = new Uint8Array(ANSWER_BYTES)
          return later(out.slice(0, target.validate(request, offset, length, new Float64Array(1), 1, out)))
        }
      }
      if (name === 'digest') return (block: number) => (wrong.has(block) ? 'wrong'.padEnd(16, '0') : target.digest(block))
      if (name === 'installEnd') {
        return (block: number) => {
          // Never twice in a row: a copy of a copy would not end.
          if (!wrong.delete(block) && willCompare(block) && scheduler.random.chance(WRONG_COPY)) {
            wrong.add(block)
            hits.wrongCopies++
          }
          return target.installEnd(block)
        }
      }
      if (name === 'flush' && !disk.takesMore())
        return () => Promise.reject(new ThermoclineError('disk_full', 'the tables could not be written: no space left on device'))
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}
