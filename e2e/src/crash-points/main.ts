/** `make crash-points`: every point of the run. An argument is the seed. */
import { makeTemporaryFolder } from '../temporary-folder.ts'
import { sweepRun } from './sweep.ts'

const seed = Number(process.argv[2] ?? 1)
const { text, failures } = await sweepRun(makeTemporaryFolder(), { seed, share: 1, mixes: 4 })
process.stdout.write(`${text}\n`)
for (const failure of failures) process.stdout.write(`${failure}\n`)
process.exit(failures.length === 0 ? 0 : 1)
