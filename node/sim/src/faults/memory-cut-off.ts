/** No memory machine hears of the storage tier, which may hear them: all validations fail, and clients read from storage. */
import type { MemoryFleet } from '../memory-fleet.ts'
import { MACHINES } from '../memory-fleet.ts'
import type { Fault } from './fault.ts'

export const memoryCutOff: Fault = {
  name: 'memoryCutOff',
  weights: [0, 1],
  inject: ({ random, cluster, replicaCount }) => {
    const directions = { there: random.chance(0.5), back: true }
    const forMs = random.between(20, 1000)
    for (let machine = 0; machine < MACHINES; machine++)
      (cluster.memory as MemoryFleet).links.cut(machine, [...Array(replicaCount).keys()], directions, forMs)
  },
}
