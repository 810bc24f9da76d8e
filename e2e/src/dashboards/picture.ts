/** Draws a dashboard as SVG, from what Prometheus answered to its panels' queries. */
import type { Series } from './prometheus.ts'

export interface DrawnPanel {
  readonly title: string
  readonly unit: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly isRow: boolean
  readonly lines: readonly { readonly legend: string; readonly series: Series }[]
}

interface Span {
  readonly fromSeconds: number
  readonly toSeconds: number
}

const [CELL_WIDTH, CELL_HEIGHT, GAP, HEAD] = [50, 24, 8, 40]
const COLOURS = ['#0b7285', '#e8590c', '#9c36b5', '#5c940d', '#c92a2a', '#1864ab', '#e67700']
const MOST_LEGENDS = 5

export function drawDashboard(title: string, panels: readonly DrawnPanel[], span: Span): string {
  const width = 24 * CELL_WIDTH
  const height = HEAD + Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * CELL_HEIGHT
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}" font-family="system-ui, sans-serif" font-size="11">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#f8f9fa"/>`,
    `<text x="${GAP}" y="26" font-size="18" font-weight="600">${escaped(title)}</text>`,
    ...panels.map((panel) => (panel.isRow ? drawRow(panel) : drawPanel(panel, span))),
  ].join('\n')}\n</svg>\n`
}

const drawRow = ({ title, gridPos }: DrawnPanel): string =>
  `<text x="${GAP}" y="${HEAD + gridPos.y * CELL_HEIGHT + 17}" font-size="14" font-weight="600" fill="#495057">${escaped(title)}</text>`

function drawPanel({ title, unit, gridPos, lines }: DrawnPanel, { fromSeconds, toSeconds }: Span): string {
  const [x, y] = [gridPos.x * CELL_WIDTH + GAP / 2, HEAD + gridPos.y * CELL_HEIGHT + GAP / 2]
  const [width, height] = [gridPos.w * CELL_WIDTH - GAP, gridPos.h * CELL_HEIGHT - GAP]
  const [left, right, top, bottom] = [52, width - 10, 28, height - 40]
  const values = lines.flatMap(({ series }) => series.points.map(([, value]) => value)).filter(Number.isFinite)
  const lowest = Math.min(0, ...values)
  const { most, step } = niceScale(Math.max(lowest, ...values) - lowest, unit)
  const xAt = (seconds: number) => left + ((seconds - fromSeconds) / (toSeconds - fromSeconds)) * (right - left)
  const yAt = (value: number) => bottom - ((value - lowest) / most) * (bottom - top)
  const parts = [
    `<g transform="translate(${x} ${y})">`,
    `<rect width="${width}" height="${height}" rx="3" fill="#fff" stroke="#dee2e6"/>`,
    `<text x="10" y="18" font-size="12" font-weight="600">${escaped(title)}</text>`,
  ]
  for (let value = 0; value <= most + step / 2; value += step) {
    const at = yAt(lowest + value).toFixed(1)
    parts.push(`<path d="M${left} ${at}H${right}" stroke="#e9ecef"/>`)
    parts.push(`<text x="${left - 6}" y="${at}" dy="4" text-anchor="end" fill="#495057">${format(lowest + value, unit)}</text>`)
  }
  const seconds = toSeconds - fromSeconds
  for (const part of [0, 0.5, 1]) {
    const anchor = part === 0 ? 'start' : part === 1 ? 'end' : 'middle'
    const label = `${Math.round(seconds * part)} s`
    parts.push(
      `<text x="${(left + (right - left) * part).toFixed(1)}" y="${bottom + 13}" text-anchor="${anchor}" fill="#868e96">${label}</text>`,
    )
  }
  lines.forEach(({ legend, series }, at) => {
    const colour = COLOURS[at % COLOURS.length]
    for (const run of runsOf(series.points)) {
      const points = run.map(([when, value]) => `${xAt(when).toFixed(1)},${yAt(value).toFixed(1)}`).join(' ')
      parts.push(`<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.3"/>`)
    }
    if (at >= MOST_LEGENDS) return
    const [column, row] = [at % 3, Math.floor(at / 3)]
    const legendX = 10 + (column * (width - 20)) / 3
    const legendY = bottom + 27 + row * 11
    parts.push(`<rect x="${legendX.toFixed(0)}" y="${legendY - 7}" width="8" height="3" fill="${colour}"/>`)
    parts.push(`<text x="${(legendX + 12).toFixed(0)}" y="${legendY - 2}" font-size="10">${escaped(legend)}</text>`)
  })
  parts.push('</g>')
  return parts.join('\n')
}

type Points = Series['points']

/** A gap, or what is no number, ends a line. */
function runsOf(points: Points): Points[] {
  const step = points.length > 1 ? Math.min(...points.slice(1).map(([when], at) => when - (points[at]?.[0] ?? when))) : 1
  const runs: (readonly [number, number])[][] = []
  let last: number | undefined
  for (const point of points) {
    if (!Number.isFinite(point[1])) continue
    if (last === undefined || point[0] - last > step * 1.5) runs.push([])
    runs.at(-1)?.push(point)
    last = point[0]
  }
  return runs
}

/** A round number above the largest value, and the distance of its lines. */
function niceScale(largest: number, unit: string): { most: number; step: number } {
  if (!(largest > 1e-9)) return { most: 1, step: 1 }
  // Bytes are round in their own units.
  const base = unit === 'bytes' || unit === 'Bps' ? 1024 ** bytePower(largest / 3) : 1
  const rough = largest / 3 / base
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power * base
  return { most: Math.ceil(largest / step - 1e-9) * step, step }
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
const bytePower = (bytes: number): number =>
  Math.abs(bytes) < 1 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log2(Math.abs(bytes)) / 10))

function format(value: number, unit: string): string {
  if (unit === 'percentunit') return `${round(value * 100)} %`
  if (unit === 's') return value !== 0 && Math.abs(value) < 1 ? `${round(value * 1000)} ms` : `${round(value)} s`
  if (unit === 'bytes' || unit === 'Bps') {
    const power = bytePower(value)
    return `${round(value / 1024 ** power)} ${BYTE_UNITS[power]}`
  }
  return Math.abs(value) >= 1000 ? `${round(value / 1000)} k` : round(value)
}

const round = (value: number): string => String(Number(value.toPrecision(3)))
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
