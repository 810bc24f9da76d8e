/**
 * An engine whose blocks are sometimes not cached: a read says NEEDS_IO, and its async twin answers after a while, with
 * what was true when it was asked. Everything else is the engine as it is.
 */
import { type Engine, NEEDS_IO } from '../../src/engine/mod.ts'
import type { Scheduler } from './scheduler.ts'

const ANSWER_BYTES = 64 * 1024

export interface ColdHits {
  misses: number
}

/** `probability` of a miss, `isAlive` false once the process has ended. */
export function coldEngine(engine: Engine, scheduler: Scheduler, probability: number, isAlive: () => boolean, hits: ColdHits): Engine {
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
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}
