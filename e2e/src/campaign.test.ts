/**
 * Clients, partitions, kills, frozen processes and lost disks against real processes; what they were told must be
 * linearizable. DURATION names the minutes; `make campaign MINUTES=60` runs long.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCampaign } from './campaign/campaign.ts'
import { brokenPromises } from './campaign/promises.ts'
import { table } from './campaign/report.ts'

const MINUTES = Number(process.env.DURATION ?? '3')

test('a history under faults is linearizable, and clients hardly notice what a majority survives', {
  timeout: (MINUTES + 5) * 60_000,
}, async (t) => {
  const result = await runCampaign(MINUTES * 60_000, '', (line) => t.diagnostic(line))
  for (const line of table(result.figures).split('\n')) t.diagnostic(line)
  t.diagnostic(
    `${result.operations} operations, ${(result.definiteShare * 100).toFixed(2)} % with a definite outcome, ${result.agreedEntries} entries agreed`,
  )
  assert.deepEqual(brokenPromises(result), [])
})
