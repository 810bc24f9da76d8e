/** Connections of clients to a replica, or all that it has with clients and memory machines, are reset: what was sent is lost, or was taken. */
import { storageName } from '../topologies.ts'
import type { Fault } from './fault.ts'

export const streamReset: Fault = {
  name: 'streamReset',
  weights: [0, 1, 2],
  inject: (world) => {
    const replica = storageName(world.anyReplica())
    const share = world.random.pick([0.3, 1])
    world.cluster.streams.reset((a, b) => (a === replica || b === replica) && world.random.chance(share))
  },
}
