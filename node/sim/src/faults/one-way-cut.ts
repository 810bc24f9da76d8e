/** One replica does not hear another, who hears it. */
import type { Fault } from './fault.ts'

export const oneWayCut: Fault = {
  name: 'oneWayCut',
  weights: [0, 1, 3],
  inject: (world) => world.cut([[world.anyReplica(), world.anyReplica()]], world.random.between(20, 1500)),
}
