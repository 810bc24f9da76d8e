/**
 * A process dies in the middle of a log write, and its machine loses power a little later, while the next process has begun on what the
 * page cache shows: what that has read there may be gone again.
 */
import type { Fault } from './fault.ts'

const LOOK_MS = 0.2
/** A machine that writes nothing for so long is left alone. */
const LOOKS = 200

export const lyingCache: Fault = {
  name: 'lyingCache',
  weights: [0, 1, 2],
  inject: (world) => {
    const { scheduler, random } = world
    const number = world.anyReplica()
    const whileWriting = (looks: number): void => {
      if (world.isOver) return
      const { life, volume } = world.machine(number)
      if (life !== undefined && volume.disk.inFlight.size === 0) {
        if (looks > 0) scheduler.at(LOOK_MS, () => whileWriting(looks - 1))
        return
      }
      world.crashAndRestart(number, 40, false)
      scheduler.at(random.between(10, random.pick([60, 400])), () => {
        if (!world.isOver) world.crashAndRestart(number, 600, true)
      })
    }
    whileWriting(LOOKS)
  },
}
