/** A random subset of the replicas is clogged, one after the other, and freed in another order. */
import type { Fault } from './fault.ts'

export const swizzle: Fault = {
  name: 'swizzle',
  weights: [0, 0, 1],
  inject: (world) => {
    const { random, scheduler } = world
    const subset = Array.from({ length: world.replicaCount }, (_, replica) => replica).filter(() => random.chance(0.6))
    let atMs = 0
    const cloggedUntilMs = subset.length * 100
    for (const replica of subset) {
      const freedMs = cloggedUntilMs + random.between(0, 400)
      const fromMs = atMs
      scheduler.at(fromMs, () => world.cut(world.around(replica), freedMs - fromMs))
      atMs += random.between(5, 100)
    }
  },
}
