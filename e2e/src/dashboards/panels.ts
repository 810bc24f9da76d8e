/** The chart's dashboards and alerts, as they are asked of a Prometheus. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'

export const ALERTS = fileURLToPath(new URL('../../../charts/thermocline/files/alerts', import.meta.url))
const DASHBOARDS = fileURLToPath(new URL('../../../charts/thermocline/files/dashboards', import.meta.url))

/** Long enough for some scrapes. */
const HASTY_RANGE = '[30s]'

export interface PanelQuery {
  readonly expr: string
  readonly legendFormat: string
}

/** Dashboards and alerts come in pairs: of the nodes of each tier, and of the operator. */
export type Part = 'storage' | 'memory' | 'operator'

export interface DashboardFile {
  readonly name: Part
  readonly title: string
  readonly panels: readonly {
    readonly type: string
    readonly title: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly fieldConfig?: { readonly defaults: { readonly unit: string } }
    readonly targets?: readonly PanelQuery[]
  }[]
}

export function readDashboard(part: Part): DashboardFile {
  const content = JSON.parse(readFileSync(join(DASHBOARDS, `${part}.json`), 'utf8')) as Omit<DashboardFile, 'name'>
  return { ...content, name: part }
}

/** What Grafana would fill in: rates look back so far, one PaxosGroup is chosen or all, and everything else. */
export const filledIn = (expr: string, rateInterval: string, paxosgroup = '.*'): string =>
  expr.replaceAll('$__rate_interval', rateInterval).replaceAll('$paxosgroup', paxosgroup).replaceAll(/\$\w+/g, '.*')

/** `{{pod}} open` with the labels of a series. */
export const legendOf = (format: string, metric: Readonly<Record<string, string>>): string =>
  format.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? '')

interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[]
}

export interface Rule {
  readonly alert?: string
  readonly expr: string
  readonly for?: string
}

export interface AlertFile {
  readonly path: string
  readonly testPath: string
  readonly rules: readonly Rule[]
  /** The same rules, which wait only `wait` before they fire, and look back seconds instead of minutes. */
  readonly hasty: (wait: string) => string
}

export function readAlerts(part: Part): AlertFile {
  const path = join(ALERTS, `${part}.yaml`)
  const { groups } = parse(readFileSync(path, 'utf8')) as RuleFile
  const hasty = (wait: string) =>
    stringify({
      groups: groups.map((group) => ({
        ...group,
        rules: group.rules.map((rule) => ({
          ...rule,
          expr: rule.expr.replaceAll(/\[\d+m\]/g, HASTY_RANGE),
          ...(rule.for === undefined ? {} : { for: wait }),
        })),
      })),
    })
  return { path, testPath: path.replace('.yaml', '.test.yaml'), rules: groups.flatMap(({ rules }) => rules), hasty }
}

/** Names of metrics in a query, recorded ones (with a colon) included. */
export const metricsIn = (expr: string): Set<string> =>
  new Set([...expr.matchAll(/\b(?:thermocline[_:]|process_|nodejs_)[\w:]+/g)].map(([name]) => name))
