/** Results as text: a table for the terminal, or for a Markdown page. */
import type { Results, Row } from './results.ts'

const HEADINGS = [
  'workload',
  'ops/s',
  'p50 ms',
  'p99 ms',
  'CPU µs/op',
  'peer ops/s',
  'p50 ms',
  'p99 ms',
  'CPU µs/op',
  'ops/s ÷',
  'p50 ÷',
  'CPU ÷',
] as const

export const count = (value: number): string => Math.round(value).toLocaleString('en')
export const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2))
export const between = ([least, most]: readonly [number, number]): string => `${figure(least)}–${figure(most)}`

function cells({ workload, ours, peer, ratio, notes }: Row, mark: string): string[] {
  return [
    `${workload}${notes.length > 0 ? mark : ''}`,
    ...[ours, peer].flatMap((side) => [count(side.opsPerSecond), figure(side.p50Ms), figure(side.p99Ms), figure(side.serverCpuUsPerOp)]),
    `${figure(ratio.opsPerSecond)} (${between(ratio.spread.opsPerSecond)})`,
    figure(ratio.p50),
    `${figure(ratio.cpu)} (${between(ratio.spread.cpu)})`,
  ]
}

/** Rows of equal length, the first column left, the others right. */
export function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)))
  return rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] as number) : cell.padStart(widths[at] as number)))
      .join('  ')
      .trimEnd(),
  )
}

function footnotes(rows: readonly Row[]): string[] {
  return rows.flatMap(({ workload, notes }) => notes.map((note) => `* ${workload}: ${note}`))
}

/** What ran where; `how` says what the systems have in common. */
export function formatCircumstances(results: Results, how: string): string[] {
  const { machine, rounds, secondsPerRun, versions, loadBefore, idleCores } = results
  const named = (values: Readonly<Record<string, string | number>>) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.fileSystem}, Linux ${machine.kernel}, Node ${machine.node}`,
    `${named(versions)}; ${how}; ${rounds} rounds of ${secondsPerRun} s, interleaved; load average before: ${loadBefore}; idle cores: ${named(idleCores)}`,
  ]
}

export function formatResults(results: Results): string {
  return [
    ...formatCircumstances(results, 'three replicas each'),
    'Left thermocline, then the peer, then ours ÷ the peer’s: median over rounds (least–most). CPU is that of all server processes.',
    '',
    ...align([HEADINGS, ...results.rows.map((row) => cells(row, '*'))]),
    '',
    ...footnotes(results.rows),
  ].join('\n')
}

/** The table of docs/performance.md. */
export function formatMarkdown(results: Results): string {
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`
  return [
    line(HEADINGS),
    line(HEADINGS.map((_, at) => (at === 0 ? '---' : '--:'))),
    ...results.rows.map((row) => line(cells(row, ''))),
  ].join('\n')
}
