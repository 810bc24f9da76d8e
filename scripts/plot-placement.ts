/**
 * Draws the plots of docs/placement.md from the code: spread of the blocks over the groups, and the blocks moved when a
 * group joins, for the static table and for what else one might take. Deterministic; `node scripts/plot-placement.ts`
 * rewrites docs/plots/placement-*.svg and prints the figures quoted on the page.
 */
import { writeFileSync } from 'node:fs'
import { BLOCK_COUNT, MAX_GROUPS, PlacementGrowth } from '../protocol/src/mod.ts'
import { lineChart } from './plot/line-chart.ts'

const RING_POINTS = 128
/** Every n is computed; plots show those that are distinct on a logarithmic axis. */
const SAMPLES = [...new Set(Array.from({ length: 121 }, (_, i) => Math.round(MAX_GROUPS ** (i / 120))))]
const wanted = new Set(SAMPLES)

interface Sample {
  groups: number
  /** Blocks of the fullest group over the mean, minus one. */
  spread: number
  /** Blocks moved from n−1 to n groups over the least that an even placement must move, minus one. */
  excess: number
}

/** Steps through all n with `next(n)`, which brings `owner` to n groups. */
function measure(owner: Uint16Array, next: (groups: number) => void): Sample[] {
  const samples: Sample[] = []
  const before = new Uint16Array(BLOCK_COUNT)
  for (let groups = 1; groups <= MAX_GROUPS; groups++) {
    const sampled = wanted.has(groups)
    if (sampled) before.set(owner)
    next(groups)
    if (!sampled) continue
    const counts = new Uint32Array(groups)
    let moved = 0
    for (let block = 0; block < BLOCK_COUNT; block++) {
      const group = owner[block] as number
      counts[group] = (counts[group] as number) + 1
      if (group !== before[block]) moved++
    }
    const mean = BLOCK_COUNT / groups
    samples.push({ groups, spread: Math.max(...counts) / mean - 1, excess: groups === 1 ? 0 : moved / Math.floor(mean) - 1 })
  }
  return samples
}

function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function staticTable(): Sample[] {
  const growth = new PlacementGrowth()
  return measure(growth.owner, (groups) => {
    while (growth.groups < groups) growth.grow()
  })
}

function jumpHash(): Sample[] {
  const owner = new Uint16Array(BLOCK_COUNT)
  return measure(owner, (groups) => {
    // Jump hash moves a block to the new group with probability 1/n, drawn from a generator seeded by the block.
    for (let block = 0; block < BLOCK_COUNT; block++) {
      if (groups > 1 && mix(mix(block + 1) ^ mix(groups * 0x9e3779b1)) * groups < 2 ** 32) owner[block] = groups - 1
    }
  })
}

function rendezvous(): Sample[] {
  const owner = new Uint16Array(BLOCK_COUNT)
  const best = new Float64Array(BLOCK_COUNT).fill(-1)
  return measure(owner, (groups) => {
    const salt = mix(groups * 0x27d4eb2f)
    for (let block = 0; block < BLOCK_COUNT; block++) {
      const score = mix(Math.imul(block + 1, 0x9e3779b1) ^ salt)
      if (score > (best[block] as number)) {
        best[block] = score
        owner[block] = groups - 1
      }
    }
  })
}

function ring(): Sample[] {
  const owner = new Uint16Array(BLOCK_COUNT)
  const distance = new Float64Array(BLOCK_COUNT).fill(Number.POSITIVE_INFINITY)
  // A block's place on the ring is block · 2¹⁶; a joining point takes what lies before it up to the point that had it.
  return measure(owner, (groups) => {
    for (let point = 0; point < RING_POINTS; point++) {
      const at = mix(mix(groups) ^ mix((point + 1) * 0x61c88647)) / 65_536
      const nearest = Math.floor(at)
      for (let step = 0; step < BLOCK_COUNT; step++) {
        const block = (nearest - step + BLOCK_COUNT) % BLOCK_COUNT
        const gap = step + at - nearest
        if (gap >= (distance[block] as number)) break
        distance[block] = gap
        owner[block] = groups - 1
      }
    }
  })
}

const methods = [
  { name: 'static table', colour: '#0b7285', samples: staticTable() },
  { name: 'jump hash', colour: '#e8590c', samples: jumpHash() },
  { name: 'rendezvous', colour: '#9c36b5', samples: rendezvous() },
  { name: `ring, ${RING_POINTS} points`, colour: '#5c940d', samples: ring() },
]

interface Scale {
  title: string
  y: (sample: Sample) => number
  top: number
  bottom: number
  ticks: number[]
}

function plot(file: string, { title, y, top, bottom, ticks }: Scale): void {
  const chart = lineChart({
    title,
    x: { title: 'groups', from: 1, to: MAX_GROUPS, ticks: [1, 3, 10, 30, 100, 300, 1000], label: String, isLogarithmic: true },
    y: { title: '', from: bottom, to: top, ticks, label: (value) => `${Math.round(value * 100)} %` },
    lines: methods.map(({ name, colour, samples }) => ({
      name,
      colour,
      points: samples.map((sample) => [sample.groups, y(sample)] as const),
    })),
  })
  writeFileSync(new URL(`../docs/plots/${file}`, import.meta.url), chart)
}

plot('placement-spread.svg', {
  title: 'Fullest group above the mean',
  y: (sample) => sample.spread,
  top: 1,
  bottom: 0,
  ticks: [0, 0.2, 0.4, 0.6, 0.8, 1],
})
plot('placement-moved.svg', {
  title: 'Blocks moved when a group joins, against the least possible',
  y: (sample) => sample.excess,
  top: 0.6,
  bottom: -0.6,
  ticks: [-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6],
})

for (const { name, samples } of methods) {
  const at = (groups: number) => samples.findLast((sample) => sample.groups <= groups) as Sample
  const figures = [3, 10, 100, 1000].map((groups) => `${groups}: ${(at(groups).spread * 100).toFixed(2)} %`)
  const excess = samples.reduce((most, sample) => Math.max(most, Math.abs(sample.excess)), 0)
  console.log(`${name.padEnd(18)} spread at ${figures.join(', ')}; moved off the least by up to ${(excess * 100).toFixed(1)} %`)
}
