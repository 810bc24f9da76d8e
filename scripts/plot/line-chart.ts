/** A line chart as SVG text: what docs/plots is made of. */

export interface Line {
  readonly name: string
  readonly colour: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Axis {
  readonly title: string
  readonly from: number
  readonly to: number
  readonly ticks: readonly number[]
  /** What stands at a tick. */
  readonly label: (value: number) => string
  readonly isLogarithmic?: boolean
}

export interface LineChart {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly lines: readonly Line[]
  /** A moment to look at: a dashed line across. */
  readonly mark?: { readonly x: number; readonly text: string }
}

const [WIDTH, HEIGHT, LEFT, RIGHT, HEAD, FOOT] = [760, 400, 64, 20, 44, 44]
const LEGEND_STEP = 190

const share = ({ from, to, isLogarithmic }: Axis, value: number): number => {
  const inside = Math.min(to, Math.max(from, value))
  return isLogarithmic === true ? Math.log(inside / from) / Math.log(to / from) : (inside - from) / (to - from)
}

export function lineChart({ title, x, y, lines, mark }: LineChart): string {
  const xAt = (value: number) => (LEFT + share(x, value) * (WIDTH - LEFT - RIGHT)).toFixed(1)
  const yAt = (value: number) => (HEAD + (1 - share(y, value)) * (HEIGHT - HEAD - FOOT)).toFixed(1)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="18" font-size="14" font-weight="600">${title}</text>`,
  ]
  for (const tick of y.ticks) {
    parts.push(`<path d="M${LEFT} ${yAt(tick)}H${WIDTH - RIGHT}" stroke="#dee2e6"/>`)
    parts.push(`<text x="${LEFT - 8}" y="${(Number(yAt(tick)) + 4).toFixed(1)}" text-anchor="end">${y.label(tick)}</text>`)
  }
  for (const tick of x.ticks) {
    parts.push(`<path d="M${xAt(tick)} ${HEAD}V${HEIGHT - FOOT}" stroke="#f1f3f5"/>`)
    parts.push(`<text x="${xAt(tick)}" y="${HEIGHT - FOOT + 18}" text-anchor="middle">${x.label(tick)}</text>`)
  }
  parts.push(`<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${x.title}</text>`)
  if (mark !== undefined) {
    parts.push(`<path d="M${xAt(mark.x)} ${HEAD}V${HEIGHT - FOOT}" stroke="#868e96" stroke-dasharray="4 3"/>`)
    parts.push(`<text x="${(Number(xAt(mark.x)) + 6).toFixed(1)}" y="${HEAD + 14}">${mark.text}</text>`)
  }
  lines.forEach(({ name, colour, points }, index) => {
    const path = points.map(([px, py]) => `${xAt(px)},${yAt(py)}`).join(' ')
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="${index === 0 ? 2.5 : 1.5}"/>`)
    parts.push(`<rect x="${LEFT + index * LEGEND_STEP}" y="27" width="10" height="10" fill="${colour}"/>`)
    parts.push(`<text x="${LEFT + index * LEGEND_STEP + 15}" y="36">${name}</text>`)
  })
  return `${parts.join('\n')}\n</svg>\n`
}
