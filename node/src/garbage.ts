/**
 * How much garbage gathers before V8 marks the whole heap again.
 *
 * By its own rule that is a share of what lives, arrays outside the heap counted. Of a node little lives in JavaScript, some 26 MB, so ten
 * more were enough: under load V8 marked everything every two seconds, which took a quarter of a follower's CPU and held up its event
 * loop for 5 to 20 ms, and with it whoever waited for a write.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import type { Clock } from './io/ports.ts'

const CHECK_MS = 10_000
/** Below, V8's own choice is no worse. */
const LEAST_PERCENT = 50
const MOST_PERCENT = 300
const V8_CHOOSES = 0

/** By how much of `liveBytes` the heap may grow for `garbageBytes`, in percent; 0 leaves it to V8. */
export function growingPercent(garbageBytes: number, liveBytes: number): number {
  const percent = Math.floor((100 * garbageBytes) / Math.max(liveBytes, 1))
  return percent < LEAST_PERCENT ? V8_CHOOSES : Math.min(percent, MOST_PERCENT)
}

/** Lets about `garbageBytes` gather in this process, as long as that is not little beside what lives; looks again and again. */
export function letGarbageGather(garbageBytes: number, every: Clock['every']): void {
  let percent = V8_CHOOSES
  const adjust = (): void => {
    const next = growingPercent(garbageBytes, oldBytes())
    if (next === percent) return
    percent = next
    setFlagsFromString(`--heap-growing-percent=${percent}`)
  }
  adjust()
  every(CHECK_MS, adjust)
}

/** Garbage in them counts, too; it is little beside the arrays outside. */
function oldBytes(): number {
  let bytes = 0
  for (const { space_name: name, space_used_size: used } of getHeapSpaceStatistics()) if (!name.startsWith('new')) bytes += used
  return bytes
}
