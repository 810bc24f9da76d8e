/**
 * A volume is restored from an old snapshot: its process knows nothing of later promises, and its peers must notice (⚖5).
 * They can if they are there to look at it, and have heard of a later write: a loss that nobody heard of is outside the
 * fault model.
 */
import type { Fault, World } from './fault.ts'

export const rolledBackVolume: Fault = {
  name: 'rolledBackVolume',
  weights: [0, 0, 1],
  inject: (world) => {
    const number = world.anyReplica()
    const { volume, life } = world.machine(number)
    if (life?.replica === undefined) return
    const copy = volume.disk.copy()
    const write = life.replica.log.durableWrite
    world.scheduler.at(world.random.between(100, 1500), () => {
      if (world.isOver || world.machine(number).volume !== volume) return
      if (!world.cluster.canLoseAnother() || !isRemembered(world, number, write)) return
      world.cluster.hits.rollBacks++
      world.cluster.rollBack(number, copy)
      world.pause(1500)
      world.cluster.restartWithin(number, 200)
    })
  },
}

/** All other replicas run, and know that the log of `number` went on after `write`. */
function isRemembered(world: World, number: number, write: number): boolean {
  return world.cluster.replicas.every((replica, other) => other === number || (replica?.memories.writeOf(number) ?? 0) > write)
}
