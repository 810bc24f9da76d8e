/** The connection between two replicas is reset. */
import type { Fault } from './fault.ts'

export const reset: Fault = {
  name: 'reset',
  weights: [0, 1, 3],
  inject: (world) => world.network.cutConnections(world.anyReplica(), world.anyReplica()),
}
