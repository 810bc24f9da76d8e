/**
 * The regression gate: results against earlier results.
 *
 * A shared machine is slower on one day than on the other, and a single figure moves by more than a change of the code
 * moves it. So a row is named only if all of this holds: the median is worse than the limit; even the best round is worse
 * than the worst round before; and the ratio to the peer is worse than the limit too (a slower machine slows the peer as
 * well). Rows are the same if workload and peer are.
 */
import type { Results, Row } from './results.ts'

/** Server CPU per operation may grow by this share, ops/s may fall by that. */
const CPU_LIMIT = 0.1
const OPS_LIMIT = 0.15

export interface Comparison {
  /** Workloads that both have, beside the same peer. */
  readonly compared: readonly string[]
  readonly regressions: readonly string[]
}

const sameIf = ({ workload, peer }: Row): string => `${workload}, beside ${peer.name}`

export function compareResults(before: Results, now: Results): Comparison {
  const earlier = new Map(before.rows.map((row) => [sameIf(row), row]))
  const compared: string[] = []
  const regressions: string[] = []
  for (const row of now.rows) {
    const old = earlier.get(sameIf(row))
    if (old === undefined) continue
    compared.push(row.workload)
    regressions.push(...cpuRegression(old, row), ...opsRegression(old, row))
  }
  return { compared, regressions }
}

const percent = (from: number, to: number): string => `${to >= from ? '+' : '−'}${Math.abs((to / from - 1) * 100).toFixed(0)} %`

function cpuRegression(old: Row, row: Row): string[] {
  const [from, to] = [old.ours.serverCpuUsPerOp, row.ours.serverCpuUsPerOp]
  const beyondLimit = to > from * (1 + CPU_LIMIT)
  const beyondSpread = row.ours.spread.serverCpuUsPerOp[0] > old.ours.spread.serverCpuUsPerOp[1]
  const besidePeer = row.ratio.cpu > old.ratio.cpu * (1 + CPU_LIMIT)
  if (!beyondLimit || !beyondSpread || !besidePeer) return []
  return [`${row.workload}: CPU ${from} → ${to} µs/op (${percent(from, to)}); ÷ ${row.peer.name} ${old.ratio.cpu} → ${row.ratio.cpu}`]
}

function opsRegression(old: Row, row: Row): string[] {
  const [from, to] = [old.ours.opsPerSecond, row.ours.opsPerSecond]
  const beyondLimit = to < from * (1 - OPS_LIMIT)
  const beyondSpread = row.ours.spread.opsPerSecond[1] < old.ours.spread.opsPerSecond[0]
  const besidePeer = row.ratio.opsPerSecond < old.ratio.opsPerSecond * (1 - OPS_LIMIT)
  if (!beyondLimit || !beyondSpread || !besidePeer) return []
  return [
    `${row.workload}: ops/s ${from} → ${to} (${percent(from, to)}); ÷ ${row.peer.name} ${old.ratio.opsPerSecond} → ${row.ratio.opsPerSecond}`,
  ]
}
