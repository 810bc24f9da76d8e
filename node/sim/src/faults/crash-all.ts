/** All processes die at once, or all machines lose power. */
import type { Fault } from './fault.ts'

export const crashAll: Fault = {
  name: 'crashAll',
  weights: [0, 0, 1],
  inject: (world) => {
    const isPowerCut = world.random.chance(0.7)
    for (let replica = 0; replica < world.replicaCount; replica++) world.crashAndRestart(replica, 600, isPowerCut)
  },
}
