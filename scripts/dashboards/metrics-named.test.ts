/** Dashboards and alerts speak only of metrics that there are, and every alert has a page and a test. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { COUNTERS, ENGINE_GAUGES, LABELLED_GAUGES, NODE_GAUGES, REPLICA_GAUGES } from '../../node/src/admin/metric-table.ts'
import { MEMORY_METRICS, MEMORY_PREFIX, VALIDATION_SECONDS } from '../../node/src/roles/memory/metric-table.ts'
import { DASHBOARDS } from './files.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

interface AlertRule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

const rulesOf = (name: string): AlertRule[] =>
  (parse(read(`charts/thermocline/files/alerts/${name}.yaml`)) as { groups: { rules: AlertRule[] }[] }).groups.flatMap(({ rules }) => rules)

const FILES = ['storage', 'memory', 'operator']
const rules = FILES.flatMap(rulesOf)
const alerts = rules.filter(({ alert }) => alert !== undefined)

/** The operator's metrics stand in its README, the contract; nodes' in their tables. */
const known = new Set([
  ...[COUNTERS, REPLICA_GAUGES, NODE_GAUGES, LABELLED_GAUGES, ENGINE_GAUGES].flatMap((names) =>
    Object.keys(names).map((name) => `thermocline_${name}`),
  ),
  ...[...Object.keys(MEMORY_METRICS), VALIDATION_SECONDS.name].map((name) => `${MEMORY_PREFIX}${name}`),
  ...[...read('operator/README.md').matchAll(/`(thermocline_(?:operator|paxosgroup)_\w+)/g)].map(([, name]) => name as string),
])

const named = (expr: string): string[] =>
  [...expr.matchAll(/\bthermocline_\w+/g)].map(([name]) => name.replace(/_(?:bucket|sum|count)$/, ''))

test('queries name metrics that there are', () => {
  const panels = DASHBOARDS.flatMap(({ sections }) => sections.flatMap((section) => section.panels))
  const queries = [...rules.map(({ expr }) => expr), ...panels.flatMap((panel) => panel.queries.map(({ expr }) => expr))]
  for (const expr of queries) for (const name of named(expr)) assert.ok(known.has(name), `${name} in ${expr}`)
})

test('every alert has a severity, a page of its own with what to do, and a test in which it fires', () => {
  const index = read('docs/runbooks/README.md')
  const fired = FILES.flatMap((name) => {
    const { tests } = parse(read(`charts/thermocline/files/alerts/${name}.test.yaml`)) as {
      tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[]
    }
    return tests.flatMap((one) => one.alert_rule_test.filter((at) => at.exp_alerts.length > 0).map((at) => at.alertname))
  })
  for (const { alert = '', labels, annotations } of alerts) {
    assert.match(labels?.severity ?? '', /^(?:warning|critical)$/, alert)
    assert.equal(annotations?.runbook_url, `docs/runbooks/${alert}.md`)
    const page = read(`docs/runbooks/${alert}.md`)
    for (const heading of [`# ${alert}`, '## Symptoms', '## Likely causes', '## What to do'])
      assert.ok(page.includes(`${heading}\n`), heading)
    assert.ok(page.includes(`Severity: ${labels?.severity}.`), `${alert}: the page names another severity`)
    assert.ok(index.includes(`(${alert}.md)`), `${alert} is not in the index of runbooks`)
    assert.ok(fired.includes(alert), `${alert} fires in no test`)
  }
})
