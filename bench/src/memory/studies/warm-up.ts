/**
 * A second memory node is added under load: how soon it finds what it is asked for, and how its share grows. It takes over what
 * its peer holds; begins empty; or finds the file that the process before it left.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { MemoryNode } from '../../cluster.ts'
import { Reads } from './reads.ts'
import type { Study } from './study.ts'
import { figuresOf, hitRate, startTier } from './tier.ts'

const CACHE = '256MiB'
const CLIENTS = 128
const CONNECTIONS = 24
const PEER_WARMS_MS = 12_000
const SAMPLE_MS = 500
const SHARED_MEMORY = '/dev/shm'

const BEGINNINGS = [
  { name: 'takes over from its peer', prefetch: 'on', keepsFile: false },
  { name: 'finds its own file', prefetch: 'on', keepsFile: true },
  { name: 'begins empty', prefetch: 'off', keepsFile: false },
] as const

export interface WarmUpPoint {
  readonly seconds: number
  readonly hitRate: number
  /** Of all reads of the tier. */
  readonly share: number
}

export const warmUp: Study = {
  name: 'warm-up',
  async run({ folder, dataset, seconds, say }) {
    const series: { name: string; points: WarmUpPoint[] }[] = []
    const data = join(folder, 'data')
    mkdirSync(data, { recursive: true })
    const first = await startTier(folder, dataset, say, { memory: 1, cache: CACHE, data })
    await first.target.fill(say)
    const warming = await Reads.start({ endpoints: first.cluster.endpoints, dataset, clients: CLIENTS, connections: CONNECTIONS })
    await delay(PEER_WARMS_MS)
    await warming.stop()
    await first.stop()
    for (const { name, prefetch, keepsFile } of BEGINNINGS) {
      if (!keepsFile) dropCacheOf('m0-1')
      const tier = await startTier(folder, dataset, say, { memory: 2, cache: CACHE, data, variables: { THERMOCLINE_PREFETCH: prefetch } })
      const [peer, added] = tier.cluster.memory as readonly [MemoryNode, MemoryNode]
      const look = () => Promise.all([figuresOf(peer.http), figuresOf(added.http)])
      const load = await Reads.start({ endpoints: tier.cluster.endpoints, dataset, clients: CLIENTS, connections: CONNECTIONS })
      const points: WarmUpPoint[] = []
      const beganMs = performance.now()
      let [peerBefore, before] = await look()
      while (performance.now() - beganMs < seconds * 1000) {
        await delay(SAMPLE_MS)
        const [peerNow, now] = await look()
        const requests = now.requests - before.requests
        points.push({
          seconds: Number(((performance.now() - beganMs) / 1000).toFixed(1)),
          hitRate: hitRate({ hits: now.hits - before.hits, misses: now.misses - before.misses }),
          share: requests / Math.max(1, requests + peerNow.requests - peerBefore.requests),
        })
        ;[peerBefore, before] = [peerNow, now]
      }
      const { failures } = await load.stop()
      if (failures > 0) throw new Error(`warm-up, ${name}: ${failures} reads failed`)
      await tier.stop()
      say(
        `warm-up, ${name}: hit rate ${points
          .slice(0, 6)
          .map((point) => point.hitRate.toFixed(2))
          .join(' ')} …, share ${points
          .map(({ share }) => share.toFixed(2))
          .filter((_, at) => at % 8 === 0)
          .join(' ')}`,
      )
      series.push({ name, points })
    }
    return { series }
  },
}

/** Removes what a memory node left; its name ends in that of the node. */
function dropCacheOf(node: string): void {
  for (const file of readdirSync(SHARED_MEMORY)) {
    if (file.startsWith('thermocline-') && file.endsWith(`-${node}.pages`)) rmSync(join(SHARED_MEMORY, file), { force: true })
  }
}
