/**
 * A process dies while its tables are being written, or a copy is being taken in, some time with its machine's power: at once, or when the
 * tables are there, but no write of the log has ended since.
 */
import type { Fault } from './fault.ts'

const LOOK_MS = 0.5
/** A machine that writes no tables for so long is left alone. */
const LOOKS = 600
/** By then most tables are written. */
const WRITTEN_MS = 45

export const halfFlush: Fault = {
  name: 'halfFlush',
  weights: [0, 1, 3],
  inject: (world) => {
    const { scheduler, random } = world
    const number = world.anyReplica()
    const untilBusy = (looks: number): void => {
      if (world.isOver) return
      const { disk } = world.machine(number).volume
      if (disk.tableWrites > 0) {
        const afterMs = random.pick([0, 0, WRITTEN_MS])
        disk.stalledUntilMs = Math.max(disk.stalledUntilMs, scheduler.nowMs + 2 * afterMs)
        scheduler.at(afterMs, () => {
          if (!world.isOver) world.crashAndRestart(number, 200)
        })
      } else if (looks > 0) scheduler.at(LOOK_MS, () => untilBusy(looks - 1))
    }
    untilBusy(LOOKS)
  },
}
