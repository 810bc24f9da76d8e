/**
 * All memory nodes lose their caches at once, under load: what reaches the storage tier then, beside what it gets while they are
 * warm and what it would get without a memory tier.
 */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { cpuSeconds } from '../../processes.ts'
import { Reads } from './reads.ts'
import type { Study } from './study.ts'
import { figuresOf, startTier } from './tier.ts'

const CACHE = '256MiB'
const CLIENTS = 512
const CONNECTIONS = 24
const SHARED_MEMORY = '/dev/shm'
const SAMPLE_MS = 250

export const massRestart: Study = {
  name: 'mass-restart',
  async run({ folder, dataset, seconds, say }) {
    const tier = await startTier(folder, dataset, say, { memory: 2, cache: CACHE })
    await tier.target.fill(say)
    const load = await Reads.start({ endpoints: tier.cluster.endpoints, dataset, clients: CLIENTS, connections: CONNECTIONS })
    const points: { seconds: number; storageCores: number; readsPerSecond: number }[] = []
    const beganMs = performance.now()
    const sampleFor = async (ms: number): Promise<void> => {
      const untilMs = performance.now() + ms
      while (performance.now() < untilMs) {
        const [cpu, reads, atMs] = [cpuSeconds(tier.storagePids), load.reads, performance.now()]
        await delay(SAMPLE_MS)
        const tookSeconds = (performance.now() - atMs) / 1000
        points.push({
          seconds: Number(((performance.now() - beganMs) / 1000).toFixed(2)),
          storageCores: Number(((cpuSeconds(tier.storagePids) - cpu) / tookSeconds).toFixed(3)),
          readsPerSecond: Math.round((load.reads - reads) / tookSeconds),
        })
      }
    }
    await sampleFor(seconds * 2000)
    const killedAtSeconds = Number(((performance.now() - beganMs) / 1000).toFixed(2))
    for (const pid of tier.memoryPids) process.kill(pid, 'SIGKILL')
    for (const file of readdirSync(SHARED_MEMORY)) {
      if (file.startsWith('thermocline-') && file.endsWith('.pages')) rmSync(join(SHARED_MEMORY, file), { force: true })
    }
    await sampleFor(seconds * 2000)
    const done = await load.stop()
    const figures = await Promise.all(tier.cluster.memory.map(({ http }) => figuresOf(http)))
    const sum = (of: 'fetched' | 'overloaded' | 'requests'): number => figures.reduce((all, one) => all + one[of], 0)
    const after = { fetched: sum('fetched'), overloaded: sum('overloaded'), requests: sum('requests') }
    await tier.stop()
    const result = { killedAtSeconds, points, ...done, afterTheRestart: after }
    const cores = points.map(({ storageCores }) => storageCores)
    say(
      `mass-restart: ${done.reads} reads, ${done.failures} failed, longest gap ${done.longestGapMs} ms, storage at most ${Math.max(...cores)} cores, ${JSON.stringify(after)}`,
    )
    if (done.failures > 0) throw new Error(`mass-restart: ${done.failures} reads failed: ${done.firstFailure}`)
    return result
  },
}
