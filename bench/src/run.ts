/** Runs workloads against two systems in turn, A B A B, so that both see the same machine. */
import { setTimeout as delay } from 'node:timers/promises'
import { cpuSeconds } from './processes.ts'
import { type Round, type Row, rowOf } from './results.ts'
import type { System } from './system.ts'
import type { Workload } from './workloads.ts'

const IDLE_MS = 2000
/** Seconds of a first, discarded run of each workload: compilers, caches and connections of both sides settle in it. */
const SETTLE_SECONDS = 2

export interface RunPlan {
  readonly workloads: readonly Workload[]
  readonly rounds: number
  readonly seconds: number
}

export async function runAll(
  ours: System,
  peer: System,
  { workloads, rounds, seconds }: RunPlan,
  say: (line: string) => void,
): Promise<Row[]> {
  const rows: Row[] = []
  for (const workload of workloads) {
    const done: Round[] = []
    const { against } = workload
    const loadOther = (runSeconds: number) => (against === 'etcd' ? peer.load(workload, runSeconds) : ours.load(against, runSeconds))
    await ours.load(workload, SETTLE_SECONDS)
    await loadOther(SETTLE_SECONDS)
    for (let round = 0; round < rounds; round++) {
      const one = await ours.load(workload, seconds)
      const other = await loadOther(seconds)
      done.push({ ours: one, peer: other })
    }
    const row = rowOf(workload, against === 'etcd' ? peer.name : `thermocline, ${against.name}`, done)
    say(
      `${row.workload}: ${Math.round(row.ours.opsPerSecond)} against ${Math.round(row.peer.opsPerSecond)} ops/s, CPU ${row.ours.serverCpuUsPerOp} against ${row.peer.serverCpuUsPerOp} µs/op`,
    )
    rows.push(row)
  }
  return rows
}

/** CPU cores that each system uses while it is asked nothing; they burden the other one's figures. */
export async function idleCores(systems: readonly System[]): Promise<Record<string, number>> {
  const before = systems.map(({ pids }) => cpuSeconds(pids))
  await delay(IDLE_MS)
  const used = systems.map(({ name, pids }, at): [string, number] => [name, (cpuSeconds(pids) - (before[at] as number)) / (IDLE_MS / 1000)])
  return Object.fromEntries(used.map(([name, cores]) => [name, Number(cores.toFixed(3))]))
}
