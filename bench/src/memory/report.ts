/** Results of the memory tier as a table: for each workload ours, and below it each peer with ours ÷ the peer's. */
import { align, between, count, figure, formatCircumstances } from '../report.ts'
import type { Results, Row, Side } from '../results.ts'
import { barsOf } from './bars.ts'

const HEADINGS = [
  'workload',
  'system',
  'ops/s',
  'p50 ms',
  'p99 ms',
  'CPU µs/op',
  'loader µs/op',
  'loader cores',
  'ops/s ÷',
  'p50 ÷',
  'CPU ÷',
] as const

function sideCells(side: Side): string[] {
  const cores = `${side.loaders > 1 ? `${side.loaders} × ` : ''}${figure(side.loaderCores)}`
  return [
    side.name,
    count(side.opsPerSecond),
    figure(side.p50Ms),
    figure(side.p99Ms),
    figure(side.serverCpuUsPerOp),
    figure(side.loaderCpuUsPerOp),
    cores,
  ]
}

const ratioCells = ({ ratio }: Row): string[] => [
  `${figure(ratio.opsPerSecond)} (${between(ratio.spread.opsPerSecond)})`,
  figure(ratio.p50),
  `${figure(ratio.cpu)} (${between(ratio.spread.cpu)})`,
]

/** The first column left, and the names of the systems; the others right. */
function table(rows: readonly Row[]): string[] {
  const lines: string[][] = [[...HEADINGS]]
  let last: string | undefined
  for (const row of rows) {
    if (row.workload !== last) lines.push([row.workload, ...sideCells(row.ours), '', '', ''])
    last = row.workload
    lines.push(['', ...sideCells(row.peer), ...ratioCells(row)])
  }
  return align(lines)
}

export function formatMemoryResults(results: Results): string {
  const notes = results.rows.flatMap(({ workload, notes: some }) => some.map((note) => `* ${workload}: ${note}`))
  return [
    ...formatCircumstances(results, `${count(results.pages ?? 0)} pages`),
    'Below ours each peer, and ours ÷ the peer’s: median over rounds (least–most). CPU is that of all server processes. p50 and p99 are those of reads.',
    ...Object.entries(results.readPromises ?? {}).map(([name, promise]) => `A read of ${name}: ${promise}.`),
    '',
    ...table(results.rows),
    '',
    // Ours is noted beside each peer.
    ...new Set(notes),
    '',
    ...align([
      ['at 128 clients', 'wanted', 'found', ''],
      ...barsOf(results).map(({ what, wanted, found, isMet }) => [what, wanted, figure(found), isMet ? 'met' : 'not met']),
    ]),
  ].join('\n')
}
