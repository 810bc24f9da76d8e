/**
 * The phases of a run under load, each with the latencies of its own: what a quiet cluster does, and what it does while something is
 * wrong. A call belongs to the phase in which its time had come, however late its answer is.
 */
import { Latencies } from './latencies.ts'

export class Phase {
  readonly name: string
  readonly writes = new Latencies()
  readonly reads = new Latencies()
  failures = 0

  constructor(name: string) {
    this.name = name
  }
}

const HEADER = ['phase', 'writes', 'p50', 'p99', 'most', 'reads', 'p50', 'p99', 'most', 'failed']

/** A table of phases for people, a line each; times in milliseconds. */
export function phaseTable(phases: readonly Phase[]): string[] {
  const rows = [HEADER, ...phases.map(rowOf)]
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)))
  return rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number))).join('  '),
  )
}

function rowOf({ name, writes, reads, failures }: Phase): string[] {
  return [name, ...cellsOf(writes), ...cellsOf(reads), String(failures)]
}

function cellsOf(latencies: Latencies): string[] {
  return [String(latencies.count), ...[0.5, 0.99, 1].map((share) => latencies.quantile(share).toFixed(1))]
}
