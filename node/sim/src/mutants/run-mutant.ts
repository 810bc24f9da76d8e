/** One process per mutant: plants the bug, runs seeds until an invariant reports something, and prints how far it is, then what. */
import { parseArgs } from 'node:util'
import { MUTANTS } from './mutants.ts'
import { plant } from './plant.ts'

/** Seeds between two lines that say how many were tried. */
const REPORT_EVERY = 200

/** A line of what it prints: the last names what was reported, if anything was. */
export interface Progress {
  readonly tried: number
  readonly caught?: Caught | null
}

/** What was reported first. */
export interface Caught {
  readonly seed: number
  readonly invariant: string
  readonly message: string
}

const { values } = parseArgs({
  options: { name: { type: 'string' }, from: { type: 'string', default: '1' }, seeds: { type: 'string', default: '2000' } },
})
const mutant = MUTANTS.find(({ name }) => name === values.name)
if (mutant === undefined) throw new Error(`--name: ${values.name} is no mutant`)
plant(mutant)
const { runSeed } = await import('../run-seed.ts')
const from = Number(values.from)
let caught: Caught | undefined
let tried = 0
const first = mutant.seed === undefined ? [] : [mutant.seed]
for (const seed of [...first, ...Array.from({ length: Number(values.seeds) }, (_, at) => from + at)]) {
  if (caught !== undefined) break
  const { error } = await runSeed(seed)
  tried++
  if (error !== undefined) caught = { seed, invariant: error.invariant, message: error.message }
  else if (tried % REPORT_EVERY === 0) print({ tried })
}
print({ tried, caught: caught ?? null })
process.exit(0)

function print(progress: Progress): void {
  console.log(JSON.stringify(progress))
}
