/** One process is away long enough for the others to have freed what it misses from their logs. */
import type { Fault } from './fault.ts'

export const longCrash: Fault = {
  name: 'longCrash',
  weights: [0, 0, 1],
  inject: (world) => world.crashAndRestart(world.anyReplica(), 3000),
}
