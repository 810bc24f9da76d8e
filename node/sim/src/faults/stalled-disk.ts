/** One disk does nothing for seconds: what is being synced waits, and with it all that follows. */
import type { Fault } from './fault.ts'

export const stalledDisk: Fault = {
  name: 'stalledDisk',
  weights: [0, 0, 1],
  inject: (world) => {
    world.anyDisk().stalledUntilMs = world.scheduler.nowMs + world.random.between(300, 4000)
  },
}
