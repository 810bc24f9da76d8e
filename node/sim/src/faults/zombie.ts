/**
 * A machine is given up as lost, and an empty one takes its replica's place; but its process lives on with its old disk,
 * cut off from some of the others, in one direction or both, until the partition heals. What the old incarnation votes must
 * not count beside the new one's (⚖5). Some time the new one is cut off from another replica, which then hears of it by name
 * only, and keeps the old one's connection.
 */
import type { Fault, World } from './fault.ts'

export const zombie: Fault = {
  name: 'zombie',
  weights: [0, 0, 1, 2],
  inject: (world) => {
    const { cluster, random } = world
    if (!cluster.canLoseAnother()) return
    const replica = world.anyReplica()
    const place = cluster.replace(replica)
    if (place === undefined) return
    world.cut(someCuts(world, replica, place), random.between(100, 2500))
    cluster.restartWithin(replica, 200)
    const other = (replica + 1 + random.below(world.replicaCount - 1)) % world.replicaCount
    world.scheduler.at(random.between(20, 600), () => {
      world.network.cutConnections(replica, other)
      world.cut(
        [
          [replica, other],
          [other, replica],
        ],
        random.between(50, 800),
      )
    })
  },
}

/** Between the old process and each other replica: nothing, one direction or both. */
function someCuts({ random, replicaCount }: World, replica: number, place: number): (readonly [number, number])[] {
  const others = Array.from({ length: replicaCount }, (_, other) => other).filter((other) => other !== replica)
  return others.flatMap((other) => {
    const isDeaf = random.chance(0.5)
    const isMute = random.chance(0.5)
    return [...(isDeaf ? [[other, place] as const] : []), ...(isMute ? [[place, other] as const] : [])]
  })
}
