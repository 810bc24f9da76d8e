/**
 * `make sim`: runs seeds one after the other; a failing one prints how to run it again. A run of many seeds also fails if
 * it never met a fault or branch that it is there to try. With --checkpoint a run that was ended goes on where it was. With
 * `--bounds small` all bounds are at an extreme (small-bounds.ts).
 */
import { parseArgs } from 'node:util'
import type { SeedResult } from './run-seed.ts'
import { plantSmallBounds } from './small-bounds.ts'
import { addResult, openTally, saveTally } from './tally.ts'

/** Seeds between two lines of progress, and between two checkpoints. */
const REPORT_EVERY = 100
/** Failures whose stack is printed; the rest are named. */
const STACKS = 3

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    from: { type: 'string', default: '1' },
    checkpoint: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    bounds: { type: 'string', default: 'real' },
  },
})
if (values.bounds !== 'real' && values.bounds !== 'small') throw new Error(`--bounds: ${values.bounds} is neither real nor small`)
if (values.bounds === 'small') plantSmallBounds()
// What is planted changes what is loaded after it.
const { runSeed } = await import('./run-seed.ts')
const { ENOUGH_SEEDS, neverMet } = await import('./required-hits.ts')
const from = Number(values.from)
const count = Number(values.seeds)
const tally = openTally(values.checkpoint, from)
if (tally.next > from) console.log(`goes on at seed ${tally.next}, after ${tally.next - from} seeds`)
const failureCount = (): number => Object.keys(tally.failures).length
const times: number[] = []
const startedMs = performance.now()

while (tally.next < from + count) {
  const beganMs = performance.now()
  const result = await runSeed(tally.next)
  times.push(performance.now() - beganMs)
  addResult(tally, result)
  if (result.error !== undefined) report(result)
  if (values.verbose)
    console.log(`seed ${result.seed}: ${result.events} events, ${result.operations} operations, trace ${result.traceHash.toString(16)}`)
  const done = tally.next - from
  if (done % REPORT_EVERY === 0 && done < count) {
    if (!values.verbose) console.log(`${done} of ${count} seeds, ${tally.operations} operations, ${failureCount()} failed`)
    saveTally(values.checkpoint, tally)
  }
}
saveTally(values.checkpoint, tally)

function report(result: SeedResult): void {
  console.log(
    `seed ${result.seed} FAILED at ${result.simulatedMs.toFixed(1)} simulated ms (trace ${result.traceHash.toString(16)}): ${result.error?.message}`,
  )
  if (failureCount() <= STACKS) console.log(result.error?.stack)
  console.log(`  again: make sim SEEDS=1 FROM=${result.seed}${values.bounds === 'small' ? ' BOUNDS=small' : ''}`)
}

times.sort((a, b) => a - b)
console.log(`\nhow often each fault and each branch was met:`)
for (const [name, value] of Object.entries(tally.hits).sort(([a], [b]) => (a < b ? -1 : 1))) console.log(`  ${name.padEnd(28)} ${value}`)
const missing = count >= ENOUGH_SEEDS ? neverMet(tally.hits) : []
for (const name of missing)
  console.log(`${name} was not met once in ${count} seeds: make it happen again, or take it out of node/sim/src/required-hits.ts`)
console.log(
  `\n${count} seeds, ${tally.operations} operations, ${failureCount()} failed; ${times[times.length >> 1]?.toFixed(0) ?? '-'} ms a seed (median), ${((performance.now() - startedMs) / 1000).toFixed(1)} s in all`,
)
process.exit(failureCount() > 0 || missing.length > 0 ? 1 : 0)
