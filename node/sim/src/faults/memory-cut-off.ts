/** No memory machine hears of the storage tier, which may hear them: all validations fail, and clients read from storage. */
import type { MemoryFleet } from '../memory-fleet.ts'
import { memoryName, storageName } from '../topologies.ts'
import type { Fault } from './fault.ts'

export const memoryCutOff: Fault = {
  name: 'memoryCutOff',
  weights: [0, 1],
  inject: ({ random, cluster, replicaCount }) => {
    const isDeaf = random.chance(0.5)
    const forMs = random.between(20, 1000)
    for (const { group, number } of (cluster.memory as MemoryFleet).machines) {
      for (let replica = 0; replica < replicaCount; replica++) {
        cluster.streams.cut(storageName(replica), memoryName(group, number), forMs)
        if (isDeaf) cluster.streams.cut(memoryName(group, number), storageName(replica), forMs)
      }
    }
  },
}
