/**
 * `make dashboards`: a real Prometheus scrapes a local cluster with memory nodes under load. Every panel's query and every metric of an alert
 * must have data; alerts pass their unit tests, and those that a local cluster can be brought to fire in their fault. Then
 * the dashboards are drawn from Prometheus' answers (there is no Grafana here) into docs/dashboards; with --check it is not. The
 * operator's dashboard and alerts need a Kubernetes: kube/storage-tier.test.ts tries them.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from '@thermocline/client'
import { runProgram } from '../program.ts'
import { Up } from '../up.ts'
import { AlertWatch } from './alert-watch.ts'
import { checkAnswers, drawAnswers } from './answers.ts'
import { loseVolume, SmallDisk, standStill } from './faults.ts'
import { churn, slowDown, stopMemoryNode } from './memory-faults.ts'
import { readAlerts } from './panels.ts'
import { Prometheus, scrapeTargets, type Target } from './prometheus.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const HASTE = '2s'
const WARM_UP_MS = 45_000
const PAUSE_BETWEEN_MS = 20_000
/** Rates need some time before they are whole. */
const LEAD_SECONDS = 12
const SERIES = 24
const TURNS_OF_SERIES = 200
const WRITERS = 8
const READERS = 4
const PAUSE_MS = 10

const say = (line: string): void => console.log(`dashboards: ${line}`)
const isCheck = process.argv.includes('--check')

interface Load {
  /** Nothing is asked meanwhile. */
  pauseWhile(run: () => Promise<void>): Promise<void>
  stop(): Promise<void>
}

/** Writes, reads and scans until it is told to stop; faults are what it is there to live through. */
function startLoad(endpoints: readonly string[]): Load {
  let isOver = false
  let isPaused = false
  const known: { readonly series: string; readonly id: string }[] = []
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    const client = await connect({ endpoints: [...endpoints] })
    for (let turn = 0; !isOver; turn++) {
      if (isPaused) {
        await delay(PAUSE_MS)
        continue
      }
      // Others after a while: pages that grow too large are not cached.
      const series = `series-${(turn * WRITERS + writer) % SERIES}-${Math.floor(turn / TURNS_OF_SERIES)}`
      try {
        const { id } = await client.append(series, `record ${turn} of writer ${writer} `.repeat(20), { timeoutMs: 2000 })
        known[writer] = { series, id }
        await client.get(series, id, { timeoutMs: 2000 })
        if (turn % 5 === 0) for await (const _record of client.scan(series, { limit: 20, timeoutMs: 2000 }));
      } catch {
        // A fault is under way.
      }
      await delay(PAUSE_MS)
    }
    await client.close()
  })
  // Where writers cannot write, these still read.
  const readers = Array.from({ length: READERS }, async (_, reader) => {
    const client = await connect({ endpoints: [...endpoints] })
    for (let turn = reader; !isOver; turn++) {
      const one = known[turn % WRITERS]
      if (!isPaused && one !== undefined) await client.get(one.series, one.id, { timeoutMs: 2000 }).catch(() => undefined)
      await delay(PAUSE_MS)
    }
    await client.close()
  })
  return {
    pauseWhile: async (run) => {
      isPaused = true
      await run()
      isPaused = false
    },
    stop: async () => {
      isOver = true
      await Promise.all([...writers, ...readers])
    },
  }
}

const tools = (await runProgram(join(ROOT, 'scripts/prometheus-tools.sh'), [])).trim()
const parts = ['storage', 'memory', 'operator'] as const
const alerts = parts.map(readAlerts)
await runProgram(join(tools, 'promtool'), ['check', 'rules', ...alerts.map(({ path }) => path)])
await runProgram(join(tools, 'promtool'), ['test', 'rules', ...alerts.map(({ testPath }) => testPath)])
say(`promtool: ${alerts.flatMap(({ rules }) => rules.filter(({ alert }) => alert !== undefined)).length} alerts pass their tests`)

const up = await Up.fresh('--node-memory', '256MiB', '--memory', '2', '--cache', '32MiB')
const small = await SmallDisk.start()
try {
  const targetsOf = (paxosgroup: string, { http }: Up): Target[] =>
    http.map((url, at) => ({
      address: url.replace('http://', ''),
      labels: { namespace: 'shop', paxosgroup, storage_group: '0', pod: `${paxosgroup}-g0-${at}` },
    }))
  const memoryTargets: Target[] = up.memory.map(({ http }, at) => ({
    address: http.replace('http://', ''),
    labels: { namespace: 'shop', paxosgroup: 'orders', pod: `orders-m0-${at}` },
  }))
  const targets = [...memoryTargets, ...targetsOf('orders', up), ...(small === undefined ? [] : targetsOf('small', small.up))]
  const rules = [readAlerts('storage').hasty(HASTE), readAlerts('memory').hasty(HASTE)]
  const prometheus = await Prometheus.start(join(tools, 'prometheus'), scrapeTargets(targets), rules)
  const load = startLoad(up.endpoints)
  try {
    const watch = new AlertWatch(prometheus, say)
    const fromSeconds = Math.ceil(Date.now() / 1000) + LEAD_SECONDS
    await delay(WARM_UP_MS)
    await standStill(watch, up)
    await delay(PAUSE_BETWEEN_MS)
    await loseVolume(watch, up)
    await delay(PAUSE_BETWEEN_MS)
    await stopMemoryNode(watch, up)
    await slowDown(watch, up)
    await load.pauseWhile(() => churn(watch, up))
    for (const part of ['storage', 'memory'] as const) {
      say(`${await checkAnswers(prometheus, part)} queries of panels and alerts of the ${part} tier have data`)
      if (!isCheck) await drawAnswers(prometheus, part, fromSeconds)
    }
    if (small === undefined) say('not root: ThermoclineDiskFull is not tried')
    else await small.fill(watch)
  } finally {
    await load.stop()
    await prometheus.stop()
  }
} finally {
  await small?.stop()
  await up.stop()
}
