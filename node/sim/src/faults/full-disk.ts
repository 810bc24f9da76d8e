/** One disk is full for a while: no new segment, no flush; what is there can be overwritten. */
import type { Fault } from './fault.ts'

export const fullDisk: Fault = {
  name: 'fullDisk',
  weights: [0, 0, 1],
  inject: (world) => {
    const disk = world.anyDisk()
    disk.isFull = true
    world.scheduler.at(world.random.between(100, 2000), () => {
      disk.isFull = false
    })
  },
}
