/**
 * `make mutants`: every planted bug must be caught by the invariant that it names, within the seeds that the unchanged code
 * passes in `make test`.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Mutant } from '@thermocline/simulation'
import { MUTANTS } from './mutants.ts'
import type { Caught, Progress } from './run-mutant.ts'

const RUN_MUTANT = fileURLToPath(new URL('run-mutant.ts', import.meta.url))

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    only: { type: 'string', multiple: true, default: [''] },
    processes: { type: 'string', default: '2' },
  },
})
const waiting = MUTANTS.filter(({ name }) => values.only.some((part) => name.includes(part)))
const count = waiting.length
const seeds: number[] = []
let failures = 0
const startedMs = performance.now()
await Promise.all(Array.from({ length: Number(values.processes) }, runWaiting))
seeds.sort((a, b) => a - b)
console.log(
  `\n${count} mutants, ${failures} not caught as they should; median ${seeds[seeds.length >> 1] ?? '-'} seeds, at most ${seeds.at(-1) ?? '-'}; ${((performance.now() - startedMs) / 1000).toFixed(1)} s in all`,
)
process.exit(failures > 0 ? 1 : 0)

async function runWaiting(): Promise<void> {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) report(mutant, await run(mutant))
}

async function run({ name }: Mutant): Promise<Caught | null> {
  const args = ['--disable-warning=ExperimentalWarning', RUN_MUTANT, '--name', name, '--seeds', values.seeds]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface(child.stdout)) {
    const { tried, caught } = JSON.parse(line) as Progress
    if (caught !== undefined) return caught
    // Whoever ends this run early sees how far it came.
    console.log(`trying  ${name.padEnd(32)} ${tried} of ${values.seeds} seeds, nothing reported yet`)
  }
  throw new Error(`mutant ${name}: its process ended without a result`)
}

function report({ name, caughtBy, why }: Mutant, caught: Caught | null): void {
  if (caught !== null && caughtBy.includes(caught.invariant)) {
    seeds.push(caught.seed)
    console.log(`caught  ${name.padEnd(32)} ${caught.invariant.padEnd(24)} seed ${caught.seed}`)
    return
  }
  failures++
  console.log(`MISSED  ${name}: ${why}`)
  console.log(
    caught === null
      ? `        nothing was reported in ${values.seeds} seeds; expected ${caughtBy.join(' or ')}`
      : `        seed ${caught.seed} reported ${caught.message.slice(0, 600)}; expected ${caughtBy.join(' or ')}`,
  )
}
