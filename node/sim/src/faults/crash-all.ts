/** All processes die at once. */
import type { Fault } from './fault.ts'

export const crashAll: Fault = {
  name: 'crashAll',
  weights: [0, 0, 1],
  inject: (world) => {
    for (let replica = 0; replica < world.replicaCount; replica++) world.crashAndRestart(replica, 600)
  },
}
