/** One process dies and starts again soon. */
import type { Fault } from './fault.ts'

export const crash: Fault = {
  name: 'crash',
  weights: [0, 1, 3],
  inject: (world) => world.crashAndRestart(world.anyReplica(), 600),
}
