/**
 * Writes to the storage tier without reads, and with the memory tier at full load. Storage has a core of its own, as it has machines
 * of its own in a cluster; memory nodes and loaders share the others.
 */
import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@thermocline/client'
import { quantilesOf } from '../../sample.ts'
import { median } from '../../statistics.ts'
import type { Study } from './study.ts'
import { startTier } from './tier.ts'

const CACHE = '256MiB'
const READS = { name: 'get, batches of 32, 128 clients', clients: 128, batch: 32, writeShare: 0 } as const
/** At a rate far from what the tier can take: what is looked at is what reads do to a write, not what writes do to each other. */
const WRITES_PER_SECOND = 200
const ROUNDS = 5

export const writeLatency: Study = {
  name: 'write-latency',
  async run({ folder, dataset, seconds, say }) {
    if (availableParallelism() < 2) throw new Error('write-latency: takes two cores')
    const tier = await startTier(folder, dataset, say, { memory: 1, cache: CACHE })
    await tier.target.fill(say)
    pin(tier.storagePids, '0')
    pin(tier.memoryPids, `1-${availableParallelism() - 1}`)
    pin([process.pid], `1-${availableParallelism() - 1}`)
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

async function writeP99(endpoints: readonly string[], seconds: number): Promise<number> {
  const client = await connect({ endpoints })
  const latencies: number[] = []
  const open = new Set<Promise<void>>()
  const value = new Uint8Array(200)
  const one = async (at: number): Promise<void> => {
    const began = performance.now()
    await client.put(`write-latency-${at % 1000}`, { ms: 1_732_233_600_000 + at, seq: 0 }, value)
    latencies.push(performance.now() - began)
  }
  const beganMs = performance.now()
  for (let at = 0; performance.now() - beganMs < seconds * 1000; at++) {
    const dueMs = beganMs + (at * 1000) / WRITES_PER_SECOND
    if (dueMs > performance.now()) await delay(dueMs - performance.now())
    const write = one(at)
    open.add(write)
    void write.then(() => open.delete(write))
  }
  await Promise.all(open)
  client.close()
  return quantilesOf(latencies.toSorted((a, b) => a - b))[990] as number
}
