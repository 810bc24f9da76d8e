/**
 * One, two and four memory nodes: what a read costs each of them and the storage tier. Two cores give four nodes and whoever asks them
 * too little to be busy all the time, and a node that is not busy validates in small batches, which cost more. So each is asked in
 * bursts as large as the batches of a busy one, at a rate that leaves time between them. What a tier of n nodes can do on n cores follows.
 */
import { cpuSeconds } from '../../processes.ts'
import type { Study } from './study.ts'
import { startTier } from './tier.ts'

const CACHE = '256MiB'
const NODES = [1, 2, 4] as const
/** Each node is asked as much, however many there are. */
const CLIENTS_PER_NODE = 256
const RATE_PER_NODE = 8000
const BURST_MS = 12

export const capacity: Study = {
  name: 'capacity',
  async run({ folder, dataset, seconds, say }) {
    const points: object[] = []
    for (const nodes of NODES) {
      const unbound = { name: `get, ${nodes * CLIENTS_PER_NODE} clients`, clients: nodes * CLIENTS_PER_NODE, batch: 1, writeShare: 0 }
      const workload = { ...unbound, rate: nodes * RATE_PER_NODE, burstMs: BURST_MS }
      const tier = await startTier(folder, dataset, say, { memory: nodes, cache: CACHE })
      await tier.target.fill(say)
      // Each node's cache fills.
      for (let node = 0; node < nodes; node++) await tier.target.load(unbound, seconds)
      const [memoryBefore, storageBefore] = [cpuSeconds(tier.memoryPids), cpuSeconds(tier.storagePids)]
      const beganMs = performance.now()
      const { opsPerSecond, serverCpuUsPerOp } = await tier.target.load(workload, seconds)
      const tookSeconds = (performance.now() - beganMs) / 1000
      const [memory, storage] = [cpuSeconds(tier.memoryPids) - memoryBefore, cpuSeconds(tier.storagePids) - storageBefore]
      // The window of the loader is shorter than this one; how the servers share the CPU is the same.
      const memoryUs = (serverCpuUsPerOp * memory) / (memory + storage)
      const point = {
        nodes,
        opsPerSecond: Math.round(opsPerSecond),
        memoryCpuUsPerOp: Number(memoryUs.toFixed(2)),
        storageCpuUsPerOp: Number((serverCpuUsPerOp - memoryUs).toFixed(2)),
        /** Reads per second of so many nodes with a core each. */
        capacity: Math.round((nodes * 1e6) / memoryUs),
        busyCores: Number(((memory + storage) / tookSeconds).toFixed(2)),
      }
      say(`capacity: ${JSON.stringify(point)}`)
      points.push(point)
      await tier.stop()
    }
    return { points }
  },
}
