/** What one replica holds of a block is not what was chosen any more. One at a time: what a majority holds is taken for right. */
import type { Fault } from './fault.ts'

export const rottenBlock: Fault = {
  name: 'rottenBlock',
  weights: [0, 0, 1, 2],
  inject: ({ cluster, random }) => {
    const life = cluster.machines[random.below(cluster.machines.length)]?.life
    const known = life?.replica?.core.known.filter((state) => state.isVoter && state.chosen > 0) ?? []
    if (life === undefined || known.length === 0 || !cluster.canLoseAnother()) return
    life.rotten.add((known[random.below(known.length)] as (typeof known)[number]).block)
  },
}
