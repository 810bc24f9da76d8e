/** A memory machine is cut off from one, some or all storage replicas, one way or both, often for longer than it waits. */
import type { MemoryFleet } from '../memory-fleet.ts'
import { memoryName, storageName } from '../topologies.ts'
import type { Fault } from './fault.ts'

export const memoryCut: Fault = {
  name: 'memoryCut',
  weights: [1, 3],
  inject: ({ random, cluster, replicaCount }) => {
    const { group, number } = random.pick((cluster.memory as MemoryFleet).machines)
    const machine = memoryName(group, number)
    const there = random.chance(0.6)
    const back = !there || random.chance(0.5)
    const forMs = random.between(20, 2000)
    for (let replica = 0; replica < replicaCount; replica++) {
      if (!random.chance(0.7)) continue
      if (there) cluster.streams.cut(machine, storageName(replica), forMs)
      if (back) cluster.streams.cut(storageName(replica), machine, forMs)
    }
  },
}
