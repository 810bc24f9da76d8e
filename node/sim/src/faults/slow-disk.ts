/** One disk takes long for every sync. */
import type { Fault } from './fault.ts'

export const slowDisk: Fault = {
  name: 'slowDisk',
  weights: [0, 1, 3],
  inject: (world) => {
    const disk = world.anyDisk()
    disk.syncMs = world.random.between(5, 60)
    world.scheduler.at(world.random.between(50, 800), () => {
      disk.syncMs = 1
    })
  },
}
