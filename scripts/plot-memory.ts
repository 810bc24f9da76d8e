/**
 * Draws docs/plots/memory-*.svg from what `make bench-memory-studies` measured (bench/results/memory-studies.json). Run it after a
 * run whose figures go into the docs.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { type LineChart, lineChart } from './plot/line-chart.ts'

interface Studies {
  readonly 'warm-up': {
    readonly seconds: number
    readonly series: readonly { name: string; points: readonly { seconds: number; hitRate: number; share: number }[] }[]
  }
  readonly 'mass-restart': {
    readonly killedAtSeconds: number
    readonly points: readonly { seconds: number; storageCores: number; readsPerSecond: number }[]
  }
  readonly capacity: {
    readonly points: readonly { nodes: number; capacity: number; memoryCpuUsPerOp: number; storageCpuUsPerOp: number }[]
  }
  readonly 'cache-size': {
    readonly pages: number
    readonly points: readonly { mib: number; hitRate: number; evictionsPerSecond: number }[]
  }
}

const studies = JSON.parse(readFileSync(new URL('../bench/results/memory-studies.json', import.meta.url), 'utf8')) as Studies
const COLOURS = ['#0b7285', '#e8590c', '#9c36b5', '#5c940d']
const percent = (value: number): string => `${Math.round(value * 100)} %`
const plain = (value: number): string => value.toLocaleString('en')

/** 1, 2 or 5 times a power of ten, about five of them up to `most`. */
function ticksTo(most: number): number[] {
  const rough = most / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, at) => Number((at * step).toPrecision(6)))
}

function draw(file: string, chart: LineChart): void {
  writeFileSync(new URL(`../docs/plots/${file}`, import.meta.url), lineChart(chart))
}

const linear = (title: string, most: number, label = plain) => {
  const ticks = ticksTo(most)
  return { title, from: 0, to: ticks.at(-1) as number, ticks, label }
}
const shares = { title: '', from: 0, to: 1, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1], label: percent }

const { 'warm-up': warmUp, 'mass-restart': massRestart, capacity, 'cache-size': cacheSize } = studies
const seconds = linear('seconds since it was ready', warmUp.seconds)
const linesOf = (value: 'hitRate' | 'share') =>
  warmUp.series.map(({ name, points }, at) => ({
    name,
    colour: COLOURS[at] as string,
    points: points.map((point) => [point.seconds, point[value]] as const),
  }))
draw('memory-warm-up-hit-rate.svg', {
  title: 'Hit rate of a memory node that is added under load',
  x: seconds,
  y: shares,
  lines: linesOf('hitRate'),
})
draw('memory-warm-up-share.svg', {
  title: 'Its share of the reads of its group of two',
  x: seconds,
  y: { ...shares, to: 0.6, ticks: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6] },
  lines: linesOf('share'),
})

const coresMost = Math.max(...massRestart.points.map(({ storageCores }) => storageCores))
draw('memory-mass-restart.svg', {
  title: 'CPU of the storage tier when all memory nodes lose their caches at once',
  x: linear('seconds', massRestart.points.at(-1)?.seconds ?? 1),
  y: linear('', coresMost * 1.1, (value) => `${value} cores`),
  lines: [
    {
      name: 'storage tier',
      colour: COLOURS[0] as string,
      points: massRestart.points.map((point) => [point.seconds, point.storageCores] as const),
    },
  ],
  mark: { x: massRestart.killedAtSeconds, text: 'killed, caches removed' },
})

const nodes = { title: 'memory nodes', from: 1, to: 4, ticks: [1, 2, 3, 4], label: plain }
draw('memory-capacity.svg', {
  title: 'Reads a second of memory nodes with a core each, from their CPU per read',
  x: nodes,
  y: linear('', Math.max(...capacity.points.map((point) => point.capacity))),
  lines: [
    { name: 'capacity', colour: COLOURS[0] as string, points: capacity.points.map((point) => [point.nodes, point.capacity] as const) },
  ],
})
draw('memory-capacity-cpu.svg', {
  title: 'CPU of a read by number of memory nodes',
  x: nodes,
  y: linear(
    '',
    Math.max(...capacity.points.map((point) => Math.max(point.memoryCpuUsPerOp, point.storageCpuUsPerOp))) * 1.2,
    (value) => `${value} µs`,
  ),
  lines: [
    {
      name: 'memory tier',
      colour: COLOURS[0] as string,
      points: capacity.points.map((point) => [point.nodes, point.memoryCpuUsPerOp] as const),
    },
    {
      name: 'storage tier',
      colour: COLOURS[1] as string,
      points: capacity.points.map((point) => [point.nodes, point.storageCpuUsPerOp] as const),
    },
  ],
})

const sizes = cacheSize.points.map(({ mib }) => mib)
const size = { title: 'MiB of cache', from: Math.min(...sizes), to: Math.max(...sizes), ticks: sizes, label: plain, isLogarithmic: true }
draw('memory-hit-rate.svg', {
  title: `Hit rate by size of the cache, ${plain(cacheSize.pages)} pages of 200 bytes, zipfian 0.99`,
  x: size,
  y: shares,
  lines: [{ name: 'hit rate', colour: COLOURS[0] as string, points: cacheSize.points.map((point) => [point.mib, point.hitRate] as const) }],
})
draw('memory-evictions.svg', {
  title: 'Pages dropped a second by size of the cache',
  x: size,
  y: linear('', Math.max(1, ...cacheSize.points.map(({ evictionsPerSecond }) => evictionsPerSecond))),
  lines: [
    {
      name: 'evictions',
      colour: COLOURS[1] as string,
      points: cacheSize.points.map((point) => [point.mib, point.evictionsPerSecond] as const),
    },
  ],
})
