/**
 * Measures what clients notice of failures: an open load at a fraction of the cluster's capacity, and the latencies of each phase, while all
 * replicas are there, one is killed, catches up, has lost its disk and rejoins, freezes, and thaws. All replicas share one disk.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { handTopology, Load, type Phase, phaseTable, replicaStatus, StorageProcess, Up } from '@thermocline/e2e'
import { fill } from './dataset.ts'
import { figuresOf } from './figures.ts'
import type { Study } from './study.ts'

const WRITES_PER_SECOND = 500
const READS_PER_SECOND = 500
const CLIENTS = 24
const VICTIM = 1
const FROZEN = 2
/** Against hangs: a study of a large dataset takes minutes. */
const RETURN_TIMEOUT_MS = 900_000
const LOOK_MS = 100

/** Resolves, to how long it took, once the replica votes in every block and has all that its peers had at the look before. */
async function untilWhole(up: Up, node: StorageProcess, say: (line: string) => void): Promise<number> {
  const beganMs = performance.now()
  let target = Number.POSITIVE_INFINITY
  let saidAtMs = beganMs
  while (performance.now() - beganMs < RETURN_TIMEOUT_MS) {
    await delay(LOOK_MS)
    if (!node.isRunning) throw new Error(`replica ${VICTIM} has ended: ${node.ending}`)
    const all = await Promise.all(up.http.map((http) => replicaStatus(http).catch(() => undefined)))
    const mine = all[VICTIM]
    if (mine?.state !== 'serving') continue
    if (mine.mode === 'Voter' && mine.chosenTotal >= target) return performance.now() - beganMs
    target = mine.mode === 'Voter' ? Math.max(...all.map((status) => status?.chosenTotal ?? 0)) : Number.POSITIVE_INFINITY
    if (performance.now() - saidAtMs < 5000) continue
    saidAtMs = performance.now()
    const { learner } = mine
    say(learner === undefined ? `${mine.blocks.behind} blocks behind` : `votes in ${learner.voting} of ${learner.blocks} blocks`)
  }
  throw new Error(`replica ${VICTIM} was not whole after ${RETURN_TIMEOUT_MS} ms`)
}

function rowOf({ name, writes, reads, failures }: Phase) {
  const quantiles = (of: Phase['writes']) => ({
    calls: of.count,
    p50Ms: round(of.quantile(0.5)),
    p99Ms: round(of.quantile(0.99)),
    mostMs: round(of.quantile(1)),
  })
  return { name, writes: quantiles(writes), reads: quantiles(reads), failures }
}

const round = (ms: number): number => Number(ms.toFixed(1))

export const phases: Study = {
  name: 'phases',
  async run({ folder, seconds, dataset, say }) {
    const up = await Up.start(['--data', join(folder, 'cluster'), '--port', '0', '--no-restart'])
    let node: StorageProcess | undefined
    try {
      await fill(up.endpoints, dataset, say)
      const volume = join(up.folder, `g0-r${VICTIM}`)
      const load = await Load.start({
        endpoints: up.endpoints,
        clients: CLIENTS,
        writesPerSecond: WRITES_PER_SECOND,
        readsPerSecond: READS_PER_SECOND,
        series: dataset.series,
      })
      const stay = async (phase: string): Promise<void> => {
        say(phase)
        load.enter(phase)
        await delay(seconds * 1000)
      }
      await stay('quiet')
      load.enter('killed')
      process.kill(up.pids[VICTIM] as number, 'SIGKILL')
      await stay('killed')
      load.enter('catching up')
      node = StorageProcess.start(up, VICTIM)
      const catchUpMs = await untilWhole(up, node, say)
      await stay('quiet again')
      load.enter('killed')
      await node.killNow()
      rmSync(volume, { recursive: true })
      await stay('killed')
      load.enter('rejoining')
      node = StorageProcess.start(up, VICTIM)
      const [rejoinMs] = await Promise.all([untilWhole(up, node, say), handTopology(up, VICTIM)])
      const [replica, peer] = await Promise.all([figuresOf(up, VICTIM), figuresOf(up, FROZEN)])
      await stay('quiet again')
      const pid = up.pids[FROZEN] as number
      process.kill(pid, 'SIGSTOP')
      try {
        await stay('frozen')
      } finally {
        process.kill(pid, 'SIGCONT')
      }
      await stay('thawed')
      await load.stop()
      for (const line of phaseTable(load.phases)) say(line)
      say(`level after ${round(catchUpMs)} ms; voter again after ${round(rejoinMs)} ms; ${JSON.stringify({ replica, peer })}`)
      if (load.failures.length > 0) throw new Error(`${load.failures.length} requests failed: ${load.failures[0]}`)
      return {
        writesPerSecond: WRITES_PER_SECOND,
        readsPerSecond: READS_PER_SECOND,
        catchUpMs: round(catchUpMs),
        rejoinMs: round(rejoinMs),
        afterTheRejoin: { replica, peer },
        phases: load.phases.map(rowOf),
      }
    } finally {
      await Promise.all([node?.stop(), up.stop()])
    }
  },
}
