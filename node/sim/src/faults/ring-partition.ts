/** Each replica hears only its successor. */
import type { Fault } from './fault.ts'

export const ringPartition: Fault = {
  name: 'ringPartition',
  weights: [0, 0, 1],
  inject: (world) => {
    const count = world.replicaCount
    const all = Array.from({ length: count }, (_, replica) => world.around(replica)).flat()
    const cuts = all.filter(([from, to]) => from !== (to + 1) % count)
    world.cut(cuts, world.random.between(20, 1000))
  },
}
