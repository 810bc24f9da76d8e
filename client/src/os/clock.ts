/** The real clock and event loop. */
import type { Clock } from '@thermocline/protocol'

export const osClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  soon: (run) => {
    setImmediate(run)
  },
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs).unref()
    return () => clearTimeout(timer)
  },
  every: (everyMs, run) => {
    const timer = setInterval(run, everyMs)
    return () => clearInterval(timer)
  },
}
