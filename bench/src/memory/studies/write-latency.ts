/**
 * Writes to the storage tier without reads, and with the memory tier at full load. Storage has a core of its own, as it has machines
 * of its own in a cluster; memory nodes and loaders share the others.
 */
import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { runLoaders } from '../../loader-process.ts'
import { mergeSamples } from '../../sample.ts'
import { median } from '../../statistics.ts'
import type { Study } from './study.ts'
import { startTier } from './tier.ts'

const CACHE = '256MiB'
const READS = { name: 'get, batches of 32, 128 clients', clients: 128, batch: 32, writeShare: 0 } as const
/** At a rate far from what the tier can take: what is looked at is what reads do to a write, not what writes do to each other. */
const WRITES_PER_SECOND = 200
/** More than are ever under way at that rate. */
const WRITERS = 64
const ROUNDS = 5
const STORAGE_CORE = '0'
const LOADER = fileURLToPath(new URL('../../loader.ts', import.meta.url))

export const writeLatency: Study = {
  name: 'write-latency',
  async run({ folder, dataset, seconds, say }) {
    if (availableParallelism() < 2) throw new Error('write-latency: takes two cores')
    const tier = await startTier(folder, dataset, say, { memory: 1, cache: CACHE })
    await tier.target.fill(say)
    const others = `1-${availableParallelism() - 1}`
    pin(tier.storagePids, STORAGE_CORE)
    pin(tier.memoryPids, others)
    // And the loaders that it starts.
    pin([process.pid], others)
    await tier.target.load(READS, seconds)
    const rounds: { alone: number; withReads: number; readsPerSecond: number }[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const alone = await writeP99(tier.cluster.endpoints, seconds)
      const [withReads, { opsPerSecond }] = await Promise.all([writeP99(tier.cluster.endpoints, seconds), tier.target.load(READS, seconds)])
      rounds.push({ alone, withReads, readsPerSecond: Math.round(opsPerSecond) })
      say(`write-latency: p99 ${alone.toFixed(2)} ms alone, ${withReads.toFixed(2)} ms beside ${Math.round(opsPerSecond)} reads/s`)
    }
    await tier.stop()
    return {
      writesPerSecond: WRITES_PER_SECOND,
      rounds,
      ratio: Number(median(rounds.map(({ alone, withReads }) => withReads / alone)).toFixed(3)),
    }
  },
}

function pin(pids: readonly number[], cores: string): void {
  for (const pid of pids) execFileSync('taskset', ['-a', '-c', '-p', cores, String(pid)], { stdio: 'ignore' })
}

/** As the writer saw it, a process on the core of the storage tier: beside the loaders it would measure how long it waits for its own turn. */
async function writeP99(endpoints: readonly string[], seconds: number): Promise<number> {
  const flags = {
    endpoints: endpoints.join(','),
    mode: 'put',
    rate: WRITES_PER_SECOND,
    clients: WRITERS,
    connections: endpoints.length,
    seconds,
  }
  const command = ['taskset', '-c', STORAGE_CORE, process.execPath, LOADER, '--wait']
  for (const [name, value] of Object.entries(flags)) command.push(`--${name}=${value}`)
  return mergeSamples(await runLoaders([command], true)).p99Ms
}
