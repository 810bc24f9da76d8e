/** A machine loses its disk and comes back with an empty one: Learner-Only (design §4.4). */
import type { Fault } from './fault.ts'

export const wipedDisk: Fault = {
  name: 'wipedDisk',
  weights: [0, 0, 1, 2],
  inject: (world) => {
    if (!world.cluster.canLoseAnother()) return
    const replica = world.anyReplica()
    world.cluster.wipe(replica)
    world.cluster.restartWithin(replica, 600)
  },
}
