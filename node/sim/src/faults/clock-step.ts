/** A machine's wall clock is set: by seconds, or by hours, forth or back. Ids of appends and the age of answers come from it, and nothing else. */
import type { Fault } from './fault.ts'

const STEPS_MS = [1000, 60_000, 3 * 3_600_000]

export const clockStep: Fault = {
  name: 'clockStep',
  weights: [0, 0, 1, 2],
  inject: (world) => {
    const { random, cluster } = world
    const machine = random.pick<{ wallSkewMs: number }>([...cluster.machines, ...(cluster.memory?.machines ?? [])])
    machine.wallSkewMs += random.pick([-1, 1]) * random.between(0, random.pick(STEPS_MS))
  },
}
