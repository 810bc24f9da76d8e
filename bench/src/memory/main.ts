/** `make bench-memory`: what the memory tier is for, beside etcd, Redis and memcached. Method and reading: docs/performance.md. */
import { join } from 'node:path'
import { ownVersion, publish, ROOT, runProgram, say } from '../program.ts'
import { type Results, type Row, rowOf } from '../results.ts'
import { idleCores, inTurn } from '../run.ts'
import type { Sample } from '../sample.ts'
import { inSession } from '../session.ts'
import { writeDataset } from './dataset.ts'
import { MEMORY_USAGE, type MemoryOptions, parseMemoryOptions } from './options.ts'
import { startOurs, startPeer } from './peers.ts'
import { formatMemoryResults } from './report.ts'
import { Target } from './target.ts'
import { chooseMemoryWorkloads, type MemoryWorkload } from './workloads.ts'

/** One workload against all, in turn: a row beside each peer. */
async function rowsOf(workload: MemoryWorkload, ours: Target, peers: readonly Target[], options: MemoryOptions): Promise<Row[]> {
  const targets = [ours, ...peers]
  const loads = targets.map((target) => (seconds: number) => target.load(workload, seconds))
  const rounds = await inTurn(loads, options, options.isQuick ? 0 : undefined)
  const rows = peers.map((peer, at) =>
    rowOf(
      workload,
      { ours, peer },
      rounds.map((samples) => ({ ours: samples[0] as Sample, peer: samples[at + 1] as Sample })),
    ),
  )
  const sides = rows.flatMap((row, at) => (at === 0 ? [row.ours, row.peer] : [row.peer]))
  say(`${workload.name}: ops/s ${sides.map(({ name, opsPerSecond }) => `${name} ${Math.round(opsPerSecond)}`).join(', ')}`)
  return rows
}

async function measure(options: MemoryOptions): Promise<Results> {
  const workloads = chooseMemoryWorkloads(options.only)
  return await inSession(options.folder, async ({ folder, machine, loadBefore, add }) => {
    const dataset = writeDataset(folder, options.pages)
    const targets: Target[] = []
    const starts = [() => startOurs(folder, ownVersion(), say), ...options.peers.map((name) => () => startPeer(name, folder, say))]
    for (const start of starts) {
      const target = await add(start().then((parts) => new Target(parts, dataset)))
      say(`${target.name} ${target.version} runs; filling it`)
      await target.fill(say)
      targets.push(target)
    }
    const [ours, ...peers] = targets as [Target, ...Target[]]
    const idle = await idleCores(targets)
    const rows: Row[] = []
    for (const workload of workloads) rows.push(...(await rowsOf(workload, ours, peers, options)))
    return {
      name: 'reads beside etcd, redis and memcached',
      date: new Date().toISOString(),
      machine,
      versions: Object.fromEntries(targets.map(({ name, version }) => [name, version])),
      rounds: options.rounds,
      secondsPerRun: options.seconds,
      loadBefore,
      idleCores: idle,
      pages: options.pages,
      readPromises: Object.fromEntries(targets.map(({ name, readPromise }) => [name, readPromise])),
      rows,
    }
  })
}

runProgram(MEMORY_USAGE, async (args) => {
  const defaults = { out: join(ROOT, 'bench/results/memory-latest.json'), folder: join(ROOT, 'bench/.cache') }
  const options = parseMemoryOptions(args, defaults)
  return publish(await measure(options), options, formatMemoryResults)
})
