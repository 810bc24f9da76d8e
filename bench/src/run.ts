/** Runs workloads against systems in turn, A B A B, so that all see the same machine. */
import { setTimeout as delay } from 'node:timers/promises'
import { cpuSeconds } from './processes.ts'
import { type Row, rowOf } from './results.ts'
import type { Sample } from './sample.ts'
import type { System } from './system.ts'
import type { Workload } from './workloads.ts'

const IDLE_MS = 2000
/** Seconds of a first, discarded run of each workload: compilers, caches and connections of both sides settle in it. */
const SETTLE_SECONDS = 2

export interface Rounds {
  readonly rounds: number
  readonly seconds: number
}

export interface RunPlan extends Rounds {
  readonly workloads: readonly Workload[]
}

/** Samples of rounds, each of one of every load. */
export async function inTurn(
  loads: readonly ((seconds: number) => Promise<Sample>)[],
  { rounds, seconds }: Rounds,
  settleSeconds = SETTLE_SECONDS,
): Promise<Sample[][]> {
  if (settleSeconds > 0) for (const load of loads) await load(settleSeconds)
  const done: Sample[][] = []
  for (let round = 0; round < rounds; round++) {
    const samples: Sample[] = []
    for (const load of loads) samples.push(await load(seconds))
    done.push(samples)
  }
  return done
}

export async function runAll(ours: System, peer: System, { workloads, ...plan }: RunPlan, say: (line: string) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const workload of workloads) {
    const { against } = workload
    const loadOther = (seconds: number) => (against === 'etcd' ? peer.load(workload, seconds) : ours.load(against, seconds))
    const samples = await inTurn([(seconds) => ours.load(workload, seconds), loadOther], plan)
    const other = against === 'etcd' ? peer : { name: `${ours.name}, ${against.name}`, loaderThreads: ours.loaderThreads }
    const done = samples.map(([one, two]) => ({ ours: one as Sample, peer: two as Sample }))
    const row = rowOf(workload, { ours, peer: other }, done)
    say(
      `${row.workload}: ${Math.round(row.ours.opsPerSecond)} against ${Math.round(row.peer.opsPerSecond)} ops/s, CPU ${row.ours.serverCpuUsPerOp} against ${row.peer.serverCpuUsPerOp} µs/op`,
    )
    rows.push(row)
  }
  return rows
}

/** CPU cores that each system uses while it is asked nothing; they burden the other one's figures. */
export async function idleCores(systems: readonly Pick<System, 'name' | 'pids'>[]): Promise<Record<string, number>> {
  const before = systems.map(({ pids }) => cpuSeconds(pids))
  await delay(IDLE_MS)
  const used = systems.map(({ name, pids }, at): [string, number] => [name, (cpuSeconds(pids) - (before[at] as number)) / (IDLE_MS / 1000)])
  return Object.fromEntries(used.map(([name, cores]) => [name, Number(cores.toFixed(3))]))
}
