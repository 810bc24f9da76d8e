/** Dashboards for Grafana from short descriptions: sections of panels, each of one or more queries of Prometheus. */

export interface Query {
  readonly expr: string
  readonly legend: string
}

export interface Panel {
  readonly title: string
  /** What it shows, and what is normal. */
  readonly about: string
  /** A unit of Grafana. */
  readonly unit?: 'short' | 'reqps' | 'ops' | 'bytes' | 'Bps' | 's' | 'percentunit'
  readonly queries: readonly Query[]
}

export interface Dashboard {
  readonly name: string
  readonly title: string
  /** Label → the query of its values; each becomes a list to choose from, and `$label` in queries. */
  readonly variables: Readonly<Record<string, string>>
  readonly sections: readonly { readonly title: string; readonly panels: readonly Panel[] }[]
}

const COLUMNS = 3
const WIDTH = 24 / COLUMNS
const HEIGHT = 8
const SCHEMA_VERSION = 39
const DATA_SOURCE = { type: 'prometheus', uid: '$datasource' }

/** The JSON that Grafana reads. */
export function grafanaJson(dashboard: Dashboard): string {
  const panels: object[] = []
  let y = 0
  const nextId = () => panels.length + 1
  for (const section of dashboard.sections) {
    panels.push({ id: nextId(), type: 'row', title: section.title, collapsed: false, gridPos: { x: 0, y, w: 24, h: 1 }, panels: [] })
    y++
    section.panels.forEach((panel, at) => {
      const gridPos = { x: (at % COLUMNS) * WIDTH, y: y + Math.floor(at / COLUMNS) * HEIGHT, w: WIDTH, h: HEIGHT }
      panels.push(grafanaPanel(panel, nextId(), gridPos))
    })
    y += Math.ceil(section.panels.length / COLUMNS) * HEIGHT
  }
  const content = {
    uid: `thermocline-${dashboard.name}`,
    title: dashboard.title,
    tags: ['thermocline'],
    schemaVersion: SCHEMA_VERSION,
    editable: true,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' },
        ...Object.entries(dashboard.variables).map(([name, query]) => ({
          name,
          type: 'query',
          datasource: DATA_SOURCE,
          query: { query, refId: name },
          refresh: 2,
          includeAll: true,
          multi: true,
          allValue: '.*',
          current: { text: 'All', value: '$__all' },
        })),
      ],
    },
    panels,
  }
  return `${JSON.stringify(content, undefined, 2)}\n`
}

function grafanaPanel({ title, about, unit = 'short', queries }: Panel, id: number, gridPos: object): object {
  return {
    id,
    type: 'timeseries',
    title,
    description: about,
    datasource: DATA_SOURCE,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 5, lineWidth: 1, showPoints: 'never' } }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: queries.map(({ expr, legend }, at) => ({
      refId: String.fromCharCode(65 + at),
      datasource: DATA_SOURCE,
      expr,
      legendFormat: legend,
    })),
  }
}
