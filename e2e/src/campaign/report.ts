/** Figures of a campaign: how long nothing was answered around each fault, and how many operations ended without an outcome. */
import type { Recorded } from './history.ts'

export interface FaultRun {
  readonly kind: string
  readonly leavesMajority: boolean
  readonly fromMs: number
  /** When everything was whole again. */
  readonly toMs: number
}

export interface KindFigures {
  readonly kind: string
  readonly leavesMajority: boolean
  readonly runs: number
  /** Longest time in which no operation on some series was answered, around each run. */
  readonly medianGapMs: number
  readonly maxGapMs: number
  readonly operations: number
  readonly unknown: number
}

/** After a fault without a majority clients may still be waiting for so long. */
export const AFTERMATH_MS = 5000

export function figuresOf(operations: readonly Recorded[], runs: readonly FaultRun[]): KindFigures[] {
  const answered = Map.groupBy(
    operations.filter(({ outcome }) => outcome === 'ok').toSorted((a, b) => a.toldMs - b.toldMs),
    ({ input }) => input.series,
  )
  return [...Map.groupBy(runs, ({ kind }) => kind)].map(([kind, ofKind]) => {
    const gaps = ofKind.map((run) => Math.max(...[...answered.values()].map((list) => longestGap(list, run)))).sort((a, b) => a - b)
    const during = operations.filter(({ startMs }) => ofKind.some(({ fromMs, toMs }) => startMs >= fromMs && startMs <= toMs))
    return {
      kind,
      leavesMajority: ofKind[0]?.leavesMajority ?? false,
      runs: ofKind.length,
      medianGapMs: gaps[gaps.length >> 1] as number,
      maxGapMs: gaps.at(-1) as number,
      operations: during.length,
      unknown: during.filter(({ outcome }) => outcome === 'unknown').length,
    }
  })
}

/** The longest time between two answers that overlaps the run. */
function longestGap(answered: readonly Recorded[], { fromMs, toMs }: FaultRun): number {
  let longest = 0
  for (let i = 1; i < answered.length; i++) {
    const [before, after] = [(answered[i - 1] as Recorded).toldMs, (answered[i] as Recorded).toldMs]
    if (after >= fromMs && before <= toMs) longest = Math.max(longest, after - before)
  }
  return longest
}

/** The share of operations with a definite outcome, outside faults that leave no majority. */
export function definiteShare(operations: readonly Recorded[], runs: readonly FaultRun[]): number {
  const without = runs.filter(({ leavesMajority }) => !leavesMajority)
  const counted = operations.filter(
    ({ startMs, toldMs }) => !without.some(({ fromMs, toMs }) => toldMs >= fromMs && startMs <= toMs + AFTERMATH_MS),
  )
  const definite = counted.filter(({ outcome }) => outcome === 'ok').length
  return counted.length === 0 ? 0 : definite / counted.length
}

export function table(figures: readonly KindFigures[]): string {
  const head = ['fault', 'runs', 'median gap', 'longest gap', 'operations', 'unknown']
  const rows = figures.map((f) => [
    f.kind,
    String(f.runs),
    `${f.medianGapMs.toFixed(0)} ms`,
    `${f.maxGapMs.toFixed(0)} ms`,
    String(f.operations),
    String(f.unknown),
  ])
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => (row[column] as string).length)))
  return [head, ...rows].map((row) => row.map((cell, column) => cell.padEnd(widths[column] as number)).join('  ')).join('\n')
}
