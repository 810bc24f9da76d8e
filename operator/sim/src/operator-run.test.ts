/**
 * The whole operator against a control plane that delays, reorders, conflicts and fails. A seed that fails is run again, with
 * all that is said, by `node operator/sim/src/main.ts --from SEED --seeds 1 --tell`.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL_FAULTS, NO_FAULTS } from './faults.ts'
import { type RunOptions, type RunResult, runSeed } from './operator-run.ts'
import { changeOutsideWindows, changeWhileOneStarts, everyStep, restlessReplicas, restlessZones, secondLoss } from './scenarios.ts'
import { NO_ADMIN_FAULTS } from './sim-node-admin.ts'
import { STEPS } from './sim-operator.ts'

const MINUTE = 60_000
const SEEDS = Number(process.env.OPERATOR_SEEDS ?? 200)
/** Every so many seeds nothing may be written for an hour; else for a few minutes. */
const HOUR_EVERY = 20
const QUIET_MS = 3 * MINUTE
const CALM = { faults: NO_FAULTS, adminFaults: NO_ADMIN_FAULTS }

async function pass(options: RunOptions, what = ''): Promise<RunResult> {
  const result = await runSeed(options)
  const again = `node operator/sim/src/main.ts --from ${options.seed} --seeds 1 --tell`
  assert.equal(result.error, undefined, `seed ${options.seed}${what}: ${result.error?.message}\n${what === '' ? `again: ${again}` : ''}`)
  return result
}

test(`${SEEDS} seeds of the operator: every invariant at every event, and rest when the faults are over`, async (t) => {
  const startedMs = process.cpuUsage().user / 1000
  let [events, simulatedMs, kills] = [0, 0, 0]
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = await pass({ seed, quietMs: seed % HOUR_EVERY === 0 ? 60 * MINUTE : QUIET_MS })
    events += result.events
    simulatedMs += result.simulatedMs
    kills += result.kills
  }
  const tookMs = process.cpuUsage().user / 1000 - startedMs
  t.diagnostic(
    `${SEEDS} seeds: ${events} events, ${Math.round(simulatedMs / MINUTE)} simulated minutes, ${kills} ends of operators, ${Math.round(tookMs / SEEDS)} ms a seed`,
  )
})

test('one seed is one run', async () => {
  const run = async (seed: number): Promise<string> => {
    const told: string[] = []
    const { events } = await runSeed({ seed, quietMs: MINUTE, tell: (what) => void told.push(what) })
    return `${events}\n${told.join('\n')}`
  }
  assert.equal(await run(7), await run(7))
})

test('a story takes every step that there is', async () => {
  const { steps } = await pass({ seed: 1, quietMs: MINUTE, script: everyStep, operators: 1, ...CALM }, ' of the story')
  assert.deepEqual([...steps.keys()].toSorted(), [...STEPS].toSorted())
})

for (const step of STEPS) {
  test(`the operator is killed after the answer to: ${step}`, async () => {
    const killAfter = { step, times: 3 }
    const { kills } = await pass({ seed: 2, quietMs: MINUTE, script: everyStep, operators: 1, killAfter, ...CALM }, ` killed after ${step}`)
    assert.ok(kills > 0)
  })
}

test('zones change while operators end and nodes come and go: no epoch is named twice', async () => {
  for (let seed = 1; seed <= 10; seed++) await pass({ seed, quietMs: MINUTE, script: restlessZones }, ' of restless zones')
})

test('a replica starts while another is away: a change waits', async () => {
  for (let seed = 1; seed <= 5; seed++) await pass({ seed, quietMs: MINUTE, script: changeWhileOneStarts }, ' of one that starts')
})

test('a change outside of the maintenance windows waits', async () => {
  for (let seed = 1; seed <= 5; seed++) await pass({ seed, quietMs: MINUTE, script: changeOutsideWindows }, ' of closed windows')
})

test('memory machines come and go faster than anybody hears of it: none ends while clients are sent to it', async () => {
  for (let seed = 1; seed <= 8; seed++) await pass({ seed, quietMs: MINUTE, script: restlessReplicas }, ' of restless replicas')
})

test('a second loss in a group: nothing is touched, and people are asked', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const faults = seed % 2 === 0 ? ALL_FAULTS : NO_FAULTS
    const { steps } = await pass({ seed, quietMs: 30 * MINUTE, script: secondLoss, faults }, ' of a second loss')
    assert.deepEqual(
      ['remove pod', 'restart pod', 'delete PersistentVolumeClaim'].map((step) => steps.get(step) ?? 0),
      [0, 0, 0],
    )
  }
})
