/** What clients and a replica say to each other waits, one way or both, as if one of them were frozen: it arrives later, all of it. */
import { storageName } from '../topologies.ts'
import type { Fault } from './fault.ts'

export const streamCut: Fault = {
  name: 'streamCut',
  weights: [0, 1, 2],
  inject: (world) => {
    const { random, cluster } = world
    const replica = storageName(world.anyReplica())
    const there = random.chance(0.6)
    const back = !there || random.chance(0.5)
    const forMs = random.between(20, 1500)
    for (const client of cluster.streams.clientsOf(replica)) {
      if (!random.chance(0.8)) continue
      if (there) cluster.streams.cut(client, replica, forMs)
      if (back) cluster.streams.cut(replica, client, forMs)
    }
  },
}
