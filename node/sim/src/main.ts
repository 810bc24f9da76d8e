/** `make sim`: runs seeds one after the other; a failing one prints how to run it again. */
import { parseArgs } from 'node:util'
import { runSeed, type SeedResult } from './run-seed.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    from: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
  },
})
const from = Number(values.from)
const count = Number(values.seeds)
const hits: Record<string, number> = {}
const times: number[] = []
let operations = 0
let failures = 0
const startedMs = performance.now()

for (let seed = from; seed < from + count; seed++) {
  const beganMs = performance.now()
  const result = await runSeed(seed)
  times.push(performance.now() - beganMs)
  operations += result.operations
  for (const [name, value] of Object.entries(result.hits)) hits[name] = (hits[name] ?? 0) + value
  if (result.error !== undefined) report(result)
  if (values.verbose)
    console.log(`seed ${seed}: ${result.events} events, ${result.operations} operations, trace ${result.traceHash.toString(16)}`)
  else if ((seed - from + 1) % 100 === 0) console.log(`${seed - from + 1} of ${count} seeds, ${operations} operations, ${failures} failed`)
}

function report(result: SeedResult): void {
  failures++
  console.log(
    `seed ${result.seed} FAILED at ${result.simulatedMs.toFixed(1)} simulated ms (trace ${result.traceHash.toString(16)}): ${result.error?.message}`,
  )
  if (failures <= 3) console.log(result.error?.stack)
  console.log(`  again: make sim SEEDS=1 FROM=${result.seed}`)
}

times.sort((a, b) => a - b)
console.log(`\nhow often each fault and each branch was met:`)
for (const [name, value] of Object.entries(hits).sort(([a], [b]) => (a < b ? -1 : 1))) console.log(`  ${name.padEnd(28)} ${value}`)
console.log(
  `\n${count} seeds, ${operations} operations, ${failures} failed; ${times[times.length >> 1]?.toFixed(0)} ms a seed (median), ${((performance.now() - startedMs) / 1000).toFixed(1)} s in all`,
)
process.exit(failures > 0 ? 1 : 0)
