/** The clock of one simulated process, in the scheduler's time. Nothing that a process has asked for happens once it has ended. */
import type { Clock } from '@thermocline/protocol'
import type { Scheduler } from './scheduler.ts'

export interface ClockOptions {
  readonly scheduler: Scheduler
  readonly isAlive: () => boolean
  readonly wallMs: () => number
  /** Something that the process had called back has thrown. */
  readonly onError: (error: Error) => void
}

export function processClock({ scheduler, isAlive, wallMs, onError }: ClockOptions): Clock {
  const callBack = (run: () => void): void => {
    if (!isAlive()) return
    try {
      run()
    } catch (error) {
      onError(error as Error)
    }
    scheduler.hasReactions = true
  }
  return {
    nowMs: () => scheduler.nowMs,
    wallMs: () => Math.floor(wallMs()),
    soon: (run) => scheduler.at(scheduler.random.between(0.005, 0.05), () => callBack(run)),
    after: (delayMs, run) => {
      let isCancelled = false
      scheduler.at(delayMs, () => {
        if (!isCancelled) callBack(run)
      })
      return () => {
        isCancelled = true
      }
    },
    every: (everyMs, run) => {
      let isStopped = false
      const next = (): void =>
        scheduler.at(everyMs, () => {
          if (isStopped || !isAlive()) return
          callBack(run)
          next()
        })
      next()
      return () => {
        isStopped = true
      }
    },
  }
}
