/**
 * What validation costs. In the storage tier: batches of pages that have not changed, asked for as a memory node asks. And of a
 * read: the same node once as it is, and once believing its cache (node/bench/unvalidated-node.ts), in turn on the same ports.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from '@thermocline/client'
import { ByteReader, ByteWriter, blockOf, encodeSeries } from '@thermocline/protocol'
import type { MemoryNode } from '../../cluster.ts'
import { cpuSeconds, Server } from '../../processes.ts'
import type { Sample } from '../../sample.ts'
import { median } from '../../statistics.ts'
import { PAGES_PER_SERIES } from '../stores/store.ts'
import { BASE_MS, SLICE_MS, seriesOf } from '../stores/thermocline.ts'
import type { Study, StudyContext } from './study.ts'
import { startTier, type TierCluster } from './tier.ts'

const CACHE = '256MiB'
const PER_BATCH = 256
const AT_ONCE = 4
const ROUNDS = 3
const START_TIMEOUT_MS = 20_000
const STOP_GRACE_MS = 5000
const READS = [
  { name: 'get, 128 clients', clients: 128, batch: 1, writeShare: 0 },
  { name: 'get, batches of 32, 128 clients', clients: 128, batch: 32, writeShare: 0 },
] as const
const UNVALIDATED = fileURLToPath(new URL('../../../../node/bench/unvalidated-node.ts', import.meta.url))

const NOTHING_HELD = 2 ** 48 - 1

/** A validation of one page of each of many series. */
function validationOf(pages: readonly { series: string; slice: number; version: number }[]): Uint8Array {
  const writer = new ByteWriter(pages.length * 64)
  writer.u32(0)
  writer.u8(0)
  writer.u16(pages.length)
  for (const { series, slice, version } of pages) {
    const name = encodeSeries(series)
    writer.u16(blockOf(name))
    writer.u16(name.length)
    writer.put(name)
    writer.u8(1)
    writer.u48(slice)
    writer.u48(version)
  }
  return writer.copy()
}

/** Storage CPU for each page that has not changed, all replicas together, in microseconds. */
async function storageCost(tier: TierCluster, pages: number, seconds: number): Promise<{ cpuUsPerPage: number; pagesPerSecond: number }> {
  const client = await connect({ endpoints: tier.cluster.endpoints })
  const series = Array.from({ length: Math.floor(pages / PAGES_PER_SERIES) }, (_, at) => seriesOf(at * PAGES_PER_SERIES))
  const slice = Math.floor(BASE_MS / SLICE_MS)
  const held = await Promise.all(
    series.map(async (name) => ({ series: name, slice, version: (await client.pageVersions(name, [slice])).versions[0] ?? NOTHING_HELD })),
  )
  const bodies = Array.from({ length: 16 }, (_, at) =>
    validationOf(Array.from({ length: PER_BATCH }, (_, page) => held[(at * PER_BATCH + page) % held.length] as (typeof held)[number])),
  )
  let answered = 0
  let isOver = false
  const loop = async (first: number): Promise<void> => {
    for (let at = first; !isOver; at++) {
      const answer = new ByteReader(
        await client.validate(bodies[at % bodies.length] as Uint8Array, blockOf(encodeSeries(held[0]?.series ?? '')), 0),
      )
      answered += answer.u16()
    }
  }
  const loops = Array.from({ length: AT_ONCE }, (_, at) => loop(at))
  await delay(seconds * 1000)
  const [cpu, before, beganMs] = [cpuSeconds(tier.storagePids), answered, performance.now()]
  await delay(seconds * 1000)
  const used = cpuSeconds(tier.storagePids) - cpu
  const done = answered - before
  const tookSeconds = (performance.now() - beganMs) / 1000
  isOver = true
  await Promise.all(loops)
  client.close()
  return { cpuUsPerPage: Number(((used / done) * 1e6).toFixed(3)), pagesPerSecond: Math.round(done / tookSeconds) }
}

/** The command line of a process, without its program. */
const flagsOf = (pid: number): string[] => {
  const all = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    .split('\0')
    .filter((part) => part !== '')
  return all.slice(all.indexOf('--role'))
}

async function measure(tier: TierCluster, seconds: number): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const workload of READS) {
    await tier.target.load(workload, seconds)
    samples.push(await tier.target.load(workload, seconds))
  }
  return samples
}

async function believing<T>({ cluster }: TierCluster, folder: string, act: (pid: number) => Promise<T>): Promise<T> {
  const { pid, http } = cluster.memory[0] as MemoryNode
  const flags = flagsOf(pid)
  process.kill(pid, 'SIGTERM')
  const addresses = ['--listen', '--http'].filter((flag) => !flags.includes(flag))
  if (addresses.length > 0) throw new Error(`the memory node has no ${addresses.join(' and ')}`)
  await waitUntilGone(pid)
  const quiet = '--disable-warning=ExperimentalWarning'
  const server = new Server('unvalidated', [process.execPath, quiet, UNVALIDATED, ...flags], join(folder, 'unvalidated.log'))
  try {
    const isReady = async () => ((await fetch(`${http}/readyz`).catch(() => undefined))?.ok === true ? true : undefined)
    await server.until(isReady, START_TIMEOUT_MS)
    return await act(server.pid)
  } finally {
    await server.stop(STOP_GRACE_MS)
  }
}

async function waitUntilGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await delay(20)
  }
}

export const validation: Study = {
  name: 'validation',
  async run({ folder, dataset, seconds, say }: StudyContext) {
    const tier = await startTier(folder, dataset, say, { memory: 1, cache: CACHE, flags: ['--no-restart'] })
    await tier.target.fill(say)
    const storage = await storageCost(tier, dataset.pages, seconds)
    say(`validation: ${storage.cpuUsPerPage} µs of storage CPU for an unchanged page, ${storage.pagesPerSecond} pages/s`)
    const validated: Sample[][] = []
    for (let round = 0; round < ROUNDS; round++) validated.push(await measure(tier, seconds))
    const unvalidated = await believing(tier, folder, async (pid) => {
      const target = tier.targetWith([...tier.storagePids, pid])
      const rounds: Sample[][] = []
      for (let round = 0; round < ROUNDS; round++) rounds.push(await measure({ ...tier, target }, seconds))
      return rounds
    })
    await tier.stop()
    const reads = READS.map(({ name }, at) => {
      const of = (rounds: Sample[][], value: (sample: Sample) => number) => median(rounds.map((samples) => value(samples[at] as Sample)))
      const ops = [validated, unvalidated].map((rounds) => of(rounds, ({ opsPerSecond }) => opsPerSecond)) as [number, number]
      const cpu = [validated, unvalidated].map((rounds) => of(rounds, ({ serverCpuUsPerOp }) => serverCpuUsPerOp)) as [number, number]
      const result = {
        workload: name,
        validated: { opsPerSecond: Math.round(ops[0]), serverCpuUsPerOp: Number(cpu[0].toFixed(2)) },
        unvalidated: { opsPerSecond: Math.round(ops[1]), serverCpuUsPerOp: Number(cpu[1].toFixed(2)) },
        opsRatio: Number((ops[0] / ops[1]).toFixed(3)),
        cpuRatio: Number((cpu[1] / cpu[0]).toFixed(3)),
      }
      say(`validation: ${JSON.stringify(result)}`)
      return result
    })
    return { perBatch: PER_BATCH, storage, reads }
  },
}
