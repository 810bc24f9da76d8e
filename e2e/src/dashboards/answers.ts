/** What a Prometheus answers to a dashboard: whether every query has data, and the picture of it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { filledIn, legendOf, metricsIn, type Part, readAlerts, readDashboard } from './panels.ts'
import { type DrawnPanel, drawDashboard } from './picture.ts'
import type { Prometheus } from './prometheus.ts'

const DOCS = fileURLToPath(new URL('../../../docs/dashboards', import.meta.url))
const RATE_INTERVAL = '10s'
const STEP_SECONDS = 2
/** The PaxosGroup that is chosen in pictures. */
const PAXOS_GROUP = 'orders'

/** Resolves to how many queries were asked; rejects with those that panels or alerts ask for and nobody answers. */
export async function checkAnswers(prometheus: Prometheus, part: Part): Promise<number> {
  const queries = readDashboard(part).panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ of: title, expr: filledIn(expr, RATE_INTERVAL) })),
  )
  const metrics = readAlerts(part).rules.flatMap(({ alert = 'a recorded rule', expr }) =>
    [...metricsIn(expr)].map((name) => ({ of: alert, expr: name })),
  )
  const empty: string[] = []
  for (const { of, expr } of [...queries, ...metrics])
    if ((await prometheus.query(expr)).length === 0) empty.push(`${part}, ${of}: ${expr}`)
  if (empty.length > 0) throw new Error(`queries without data:\n  ${empty.join('\n  ')}`)
  return queries.length + metrics.length
}

/** Writes docs/dashboards/PART.svg of the time since then. */
export async function drawAnswers(prometheus: Prometheus, part: Part, fromSeconds: number): Promise<void> {
  const toSeconds = Math.floor(Date.now() / 1000) - 1
  const { title, panels } = readDashboard(part)
  const drawn: DrawnPanel[] = []
  for (const { title: heading, gridPos, type, fieldConfig, targets = [] } of panels) {
    const lines: DrawnPanel['lines'][number][] = []
    for (const { expr, legendFormat } of targets) {
      const found = await prometheus.queryRange(filledIn(expr, RATE_INTERVAL, PAXOS_GROUP), fromSeconds, toSeconds, STEP_SECONDS)
      const named = found.map((series) => ({ legend: legendOf(legendFormat, series.metric), series }))
      lines.push(...named.toSorted((a, b) => a.legend.localeCompare(b.legend)))
    }
    drawn.push({ title: heading, gridPos, isRow: type === 'row', unit: fieldConfig?.defaults.unit ?? 'short', lines })
  }
  mkdirSync(DOCS, { recursive: true })
  writeFileSync(join(DOCS, `${part}.svg`), drawDashboard(title, drawn, { fromSeconds, toSeconds }))
}
