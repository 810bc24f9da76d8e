/** The ways in which a power cut is made to fall out, from everything kept to every sector by chance. */
import type { Random } from '@thermocline/simulation'
import type { Fate } from './disk.ts'

/** The page cache survived: the process was killed, not the machine. */
export const ALL_KEPT: Fate = {
  changes: (count) => count,
  file: () => ({ sector: () => true, page: (count) => count, truncation: () => true }),
}

/** Nothing reached the disk that was not synced. */
export const ALL_LOST: Fate = {
  changes: () => 0,
  file: () => ({ sector: () => false, page: () => 0, truncation: () => false }),
}

/** By chance: folders up to any change; of the files some whole, some not at all, some by sector. */
export function mixed(random: Random): Fate {
  return {
    changes: (count) => random.below(count + 1),
    file: () => {
      const kept = random.pick([0, 1, 0.5, 0.9, 0.1])
      const page = (count: number): number => (kept === 0 || kept === 1 ? kept * count : random.below(count + 1))
      return { sector: () => random.chance(kept), page, truncation: () => random.chance(0.5) }
    },
  }
}
