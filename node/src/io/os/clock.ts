/** The real clock and event loop. */
import type { Clock } from '../ports.ts'

export const osClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  soon: (run) => {
    setImmediate(run)
  },
  every: (everyMs, run) => {
    const timer = setInterval(run, everyMs)
    return () => clearInterval(timer)
  },
}
