/** A memory machine is cut off from one, some or all storage replicas, one way or both, often for longer than it waits. */
import type { MemoryFleet } from '../memory-fleet.ts'
import { MACHINES } from '../memory-fleet.ts'
import type { Fault } from './fault.ts'

export const memoryCut: Fault = {
  name: 'memoryCut',
  weights: [1, 3],
  inject: ({ random, cluster, replicaCount }) => {
    const replicas = [...Array(replicaCount).keys()].filter(() => random.chance(0.7))
    const there = random.chance(0.6)
    const directions = { there, back: !there || random.chance(0.5) }
    ;(cluster.memory as MemoryFleet).links.cut(random.below(MACHINES), replicas, directions, random.between(20, 2000))
  },
}
