/** One process per mutant: plants the bug, runs seeds until an invariant reports something, and prints what. */
import { parseArgs } from 'node:util'
import { MUTANTS } from './mutants.ts'
import { plant } from './plant.ts'

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
for (let seed = from; seed < from + Number(values.seeds) && caught === undefined; seed++) {
  const { error } = await runSeed(seed)
  if (error !== undefined) caught = { seed, invariant: error.invariant, message: error.message }
}
console.log(JSON.stringify(caught ?? null))
process.exit(0)
