/**
 * `make dashboards`: a real Prometheus scrapes a local cluster under load. Every panel's query and every metric of an alert
 * must have data; alerts pass their unit tests, and those that a local cluster can be brought to fire in their fault. Then
 * the dashboards are drawn from Prometheus' answers (there is no Grafana here) into docs/dashboards; with --check they are
 * not.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from '@thermocline/client'
import { runProgram } from '../program.ts'
import { Up } from '../up.ts'
import { AlertWatch, loseOperator, loseVolume, SmallDisk, standStill } from './faults.ts'
import { OperatorFigures } from './operator-figures.ts'
import { filledIn, legendOf, metricsIn, readAlerts, readDashboards } from './panels.ts'
import { type DrawnPanel, drawDashboard } from './picture.ts'
import { Prometheus, type Target } from './prometheus.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const DOCS = join(ROOT, 'docs/dashboards')
const HASTE = '2s'
const RATE_INTERVAL = '10s'
const WARM_UP_MS = 45_000
const PAUSE_BETWEEN_MS = 20_000
/** Rates need some time before they are whole. */
const LEAD_SECONDS = 12
const STEP_SECONDS = 2
const SERIES = 24
const WRITERS = 8
const PAUSE_MS = 10

const say = (line: string): void => console.log(`dashboards: ${line}`)
const isCheck = process.argv.includes('--check')

/** Writes, reads and scans until it is told to stop; faults are what it is there to live through. */
function startLoad(endpoints: readonly string[]): { stop: () => Promise<void> } {
  let isOver = false
  const work = Array.from({ length: WRITERS }, async (_, writer) => {
    const client = await connect({ endpoints: [...endpoints] })
    for (let turn = 0; !isOver; turn++) {
      const series = `series-${(turn * WRITERS + writer) % SERIES}`
      try {
        const { id } = await client.append(series, `record ${turn} of writer ${writer} `.repeat(20), { timeoutMs: 2000 })
        await client.get(series, id, { timeoutMs: 2000 })
        if (turn % 5 === 0) for await (const _record of client.scan(series, { limit: 20, timeoutMs: 2000 }));
      } catch {
        // A fault is under way.
      }
      await delay(PAUSE_MS)
    }
    await client.close()
  })
  return {
    stop: async () => {
      isOver = true
      await Promise.all(work)
    },
  }
}

async function checkData(prometheus: Prometheus): Promise<void> {
  const empty: string[] = []
  let queries = 0
  for (const { title, panels } of readDashboards()) {
    for (const panel of panels) {
      for (const { expr } of panel.targets ?? []) {
        queries++
        if ((await prometheus.query(filledIn(expr, RATE_INTERVAL))).length === 0) empty.push(`${title}, ${panel.title}: ${expr}`)
      }
    }
  }
  const named = new Map(
    readAlerts().flatMap(({ rules }) => rules.flatMap(({ alert, expr }) => [...metricsIn(expr)].map((name) => [name, alert]))),
  )
  for (const [name, alert] of named) if ((await prometheus.query(name)).length === 0) empty.push(`${alert}: ${name}`)
  if (empty.length > 0) throw new Error(`queries without data:\n  ${empty.join('\n  ')}`)
  say(`${queries} queries of panels and ${named.size} metrics of alerts have data`)
}

async function draw(prometheus: Prometheus, fromSeconds: number): Promise<void> {
  const toSeconds = Math.floor(Date.now() / 1000) - 1
  mkdirSync(DOCS, { recursive: true })
  for (const { name, title, panels } of readDashboards()) {
    const drawn = await Promise.all(
      panels.map(async (panel): Promise<DrawnPanel> => {
        const answers = await Promise.all(
          (panel.targets ?? []).map(async ({ expr, legendFormat }) => {
            const found = await prometheus.queryRange(filledIn(expr, RATE_INTERVAL, 'orders'), fromSeconds, toSeconds, STEP_SECONDS)
            return found
              .map((series) => ({ legend: legendOf(legendFormat, series.metric), series }))
              .toSorted((a, b) => a.legend.localeCompare(b.legend))
          }),
        )
        const { title: heading, gridPos, type } = panel
        return { title: heading, gridPos, isRow: type === 'row', unit: panel.fieldConfig?.defaults.unit ?? 'short', lines: answers.flat() }
      }),
    )
    writeFileSync(join(DOCS, `${name}.svg`), drawDashboard(title, drawn, { fromSeconds, toSeconds }))
    say(`drew docs/dashboards/${name}.svg`)
  }
}

const tools = (await runProgram(join(ROOT, 'scripts/prometheus-tools.sh'), [])).trim()
const alerts = readAlerts()
await runProgram(join(tools, 'promtool'), ['check', 'rules', ...alerts.map(({ path }) => path)])
await runProgram(join(tools, 'promtool'), ['test', 'rules', ...alerts.map(({ testPath }) => testPath)])
say(`promtool: ${alerts.flatMap(({ rules }) => rules.filter(({ alert }) => alert !== undefined)).length} alerts pass their tests`)

const operator = new OperatorFigures()
const up = await Up.fresh('--memory', '256MiB')
const small = await SmallDisk.start()
try {
  const targetsOf = (paxosgroup: string, { http }: Up): Target[] =>
    http.map((url, at) => ({
      address: url.replace('http://', ''),
      labels: { namespace: 'shop', paxosgroup, storage_group: '0', pod: `${paxosgroup}-g0-${at}` },
    }))
  const targets = [
    ...targetsOf('orders', up),
    { address: await operator.start(), labels: { namespace: 'thermocline', pod: 'thermocline-operator-0' } },
    ...(small === undefined ? [] : targetsOf('small', small.up)),
  ]
  const rules = alerts.map(({ hasty }) => hasty(HASTE))
  const prometheus = await Prometheus.start(join(tools, 'prometheus'), targets, rules)
  const load = startLoad(up.endpoints)
  try {
    const watch = new AlertWatch(prometheus, say)
    const fromSeconds = Math.ceil(Date.now() / 1000) + LEAD_SECONDS
    await delay(WARM_UP_MS)
    await standStill(watch, up)
    await delay(PAUSE_BETWEEN_MS)
    await loseVolume(watch, up)
    await delay(PAUSE_BETWEEN_MS)
    await checkData(prometheus)
    if (!isCheck) await draw(prometheus, fromSeconds)
    await loseOperator(watch, operator)
    if (small === undefined) say('not root: ThermoclineDiskFull is not tried')
    else await small.fill(watch)
  } finally {
    await load.stop()
    await prometheus.stop()
  }
} finally {
  operator.stop()
  await small?.stop()
  await up.stop()
}
