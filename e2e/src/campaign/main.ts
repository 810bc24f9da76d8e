/** `make campaign MINUTES=60`: prints a table and, for machines, JSON; fails if anything was promised and not kept. */
import { parseArgs } from 'node:util'
import { runCampaign } from './campaign.ts'
import { brokenPromises } from './promises.ts'
import { table } from './report.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' }, only: { type: 'string', default: '' } } })
const result = await runCampaign(Number(values.minutes) * 60_000, values.only, (line) => console.log(line))
const broken = brokenPromises(result)
console.log(`\n${table(result.figures)}\n`)
console.log(JSON.stringify({ ...result, broken }, undefined, 2))
for (const one of broken) console.log(`BROKEN: ${one}`)
process.exit(broken.length > 0 ? 1 : 0)
