/** One replica is cut off from all others. */
import type { Fault } from './fault.ts'

export const isolate: Fault = {
  name: 'isolate',
  weights: [0, 1, 3],
  inject: (world) => world.cut(world.around(world.anyReplica()), world.random.between(20, 1500)),
}
