/** One process per mutant: plants the bug, runs seeds until an invariant that is there for it reports something, and prints what. */
import { parseArgs } from 'node:util'
import { MUTANTS } from './mutants.ts'
import { plant } from './plant.ts'

/** What was reported: by an invariant that is there for it, else by the last other; null if nothing was. */
export interface Caught {
  readonly seed: number
  readonly invariant: string
  readonly message: string
}

const MINUTE = 60_000
const { values } = parseArgs({ options: { name: { type: 'string' }, seeds: { type: 'string', default: '100' } } })
const mutant = MUTANTS.find(({ name }) => name === values.name)
if (mutant === undefined) throw new Error(`--name: ${values.name} is no mutant`)
plant(mutant)
const { runSeed } = await import('../operator-run.ts')
const { changeOfFive, changeOutsideWindows, changeWhileOneStarts, operatorUpgraded, restlessReplicas, restlessZones, secondLoss } =
  await import('../scenarios.ts')
let caught: Caught | null = null
const isCaught = (): boolean => caught !== null && mutant.caughtBy.includes(caught.invariant)
const seeds = [...(mutant.seed === undefined ? [] : [mutant.seed]), ...Array.from({ length: Number(values.seeds) }, (_, at) => at + 1)]
for (const seed of seeds) {
  if (isCaught()) break
  // Some go through what the others seldom come to.
  const often = [secondLoss, restlessZones, changeWhileOneStarts, changeOutsideWindows][seed % 7]
  const script =
    often ?? [restlessReplicas, operatorUpgraded, undefined, undefined, undefined, undefined, undefined, changeOfFive][(seed - 4) % 14]
  const story = script === undefined ? {} : { script }
  const { error } = await runSeed({ seed, quietMs: MINUTE, ...story })
  if (error !== undefined) caught = { seed, invariant: error.invariant, message: error.message }
}
process.stdout.write(`${JSON.stringify(caught)}\n`)
process.exit(0)
