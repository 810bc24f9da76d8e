/** How much of what is asked for a cache of some size holds, and how fast it drops pages, while all pages take more than it has. */
import type { Study } from './study.ts'
import { figuresOf, hitRate, startTier } from './tier.ts'

const SIZES_MIB = [32, 64, 128, 256, 512] as const
const WORKLOAD = { name: 'get, batches of 32, 128 clients', clients: 128, batch: 32, writeShare: 0 } as const

export const cacheSize: Study = {
  name: 'cache-size',
  async run({ folder, dataset, seconds, say }) {
    const points: object[] = []
    for (const mib of SIZES_MIB) {
      const tier = await startTier(folder, dataset, say, { memory: 1, cache: `${mib}MiB` })
      await tier.target.fill(say)
      const { http } = tier.cluster.memory[0] as { http: string }
      for (let step = 0; step < 3; step++) await tier.target.load(WORKLOAD, seconds)
      const before = await figuresOf(http)
      const beganMs = performance.now()
      await tier.target.load(WORKLOAD, seconds)
      const now = await figuresOf(http)
      const point = {
        mib,
        hitRate: Number(hitRate({ hits: now.hits - before.hits, misses: now.misses - before.misses }).toFixed(4)),
        evictionsPerSecond: Math.round((now.evictions - before.evictions) / ((performance.now() - beganMs) / 1000)),
      }
      say(`cache-size: ${JSON.stringify(point)}`)
      points.push(point)
      await tier.stop()
    }
    return { pages: dataset.pages, points }
  },
}
