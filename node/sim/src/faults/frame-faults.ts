/** Frames are lost, doubled, late and overtaken, and bits of them are flipped, at rates that a seed draws. */

import type { Random } from '@thermocline/simulation'
import type { NetworkFaults } from '../network.ts'

export function drawFrameFaults(random: Random, seed: number): NetworkFaults {
  return {
    drop: random.pick([0, 0, 0.01, 0.05]),
    duplicate: random.pick([0, 0.02, 0.1]),
    slow: random.pick([0, 0.02, 0.1]),
    minDelayMs: 0.1,
    maxDelayMs: random.pick([0.5, 2, 10]),
    // By the number, so that what other seeds do stays as it is.
    flip: seed % 5 === 3 ? 0.002 : 0,
  }
}
