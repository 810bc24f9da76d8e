/** A sync fails with EIO: the process must end. */
import type { Fault } from './fault.ts'

export const failedSync: Fault = {
  name: 'failedSync',
  weights: [0, 0, 1],
  inject: (world) => {
    world.anyDisk().failsNextSync = true
  },
}
