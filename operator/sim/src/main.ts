/** Seeded runs of the operator: `node operator/sim/src/main.ts --seeds 200 [--from 1] [--tell]`. */
import { parseArgs } from 'node:util'
import { runSeed } from './operator-run.ts'

const MINUTE = 60_000

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    tell: { type: 'boolean', default: false },
    quiet: { type: 'string', default: '60' },
  },
})
const print = (text: string): void => void process.stdout.write(`${text}\n`)
const log = (fields: object, message: string): void => print(`    ${message} ${JSON.stringify(fields)}`)
const from = Number(values.from)
let failed = 0
for (let seed = from; seed < from + Number(values.seeds); seed++) {
  const startedMs = process.cpuUsage().user / 1000
  const talk = values.tell ? { tell: print, log: { debug: log, info: log, warn: log, error: log } } : {}
  const { error, events, simulatedMs, kills } = await runSeed({ seed, quietMs: Number(values.quiet) * MINUTE, ...talk })
  const tookMs = process.cpuUsage().user / 1000 - startedMs
  if (error !== undefined) failed++
  if (error !== undefined || values.tell || process.env.VERBOSE)
    print(
      `seed ${seed}: ${Math.round(tookMs)} ms, ${events} events, ${Math.round(simulatedMs / MINUTE)} min, ${kills} kills: ${error?.message.slice(0, 1500) ?? 'passed'}`,
    )
}
print(`${failed} of ${values.seeds} failed`)
process.exit(failed === 0 ? 0 : 1)
