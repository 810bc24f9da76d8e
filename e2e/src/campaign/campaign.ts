/**
 * A campaign against real processes: clients work on a group of three replicas while faults come one after the other; then
 * everything is whole, the replicas must agree, and the history must be linearizable.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { waitForAgreement } from '../agreement.ts'
import { makeTemporaryFolder } from '../temporary-folder.ts'
import { type CampaignFault, FAULTS } from './faults.ts'
import { Group, REPLICAS } from './group.ts'
import { History } from './history.ts'
import { Load, SERIES } from './load.ts'
import { definiteShare, type FaultRun, figuresOf, type KindFigures } from './report.ts'
import { openSmallDisk } from './small-disk.ts'

/** Nothing is broken for so long before each fault. */
const CALM_MS = 1500
/** Every series answers again this soon after a fault. */
const RECOVERY_TIMEOUT_MS = 30_000

export interface CampaignResult {
  readonly figures: readonly KindFigures[]
  readonly operations: number
  readonly verdict: string
  /** What the checker could not fit in. */
  readonly stuckAt: string | undefined
  readonly definiteShare: number
  /** Entries on which all replicas agree. */
  readonly agreedEntries: number
  readonly lasted: string
}

/** `only`: a pattern that the kinds of the faults match; all do if it is empty. */
export async function runCampaign(durationMs: number, only: string, say: (line: string) => void): Promise<CampaignResult> {
  const folder = makeTemporaryFolder()
  const smallDisk = openSmallDisk()
  const volumes = Array.from({ length: REPLICAS }, (_, replica) =>
    replica === 0 && smallDisk !== undefined ? smallDisk.volume : `${folder}/replica-${replica}`,
  )
  let faults = [...FAULTS, ...(smallDisk === undefined ? [] : [smallDisk.fault])].filter(({ kind }) => new RegExp(only).test(kind))
  const group = await Group.start(folder, volumes)
  const history = new History()
  const runs: FaultRun[] = []
  try {
    const load = await Load.start(history, group.endpoints)
    const untilMs = performance.now() + durationMs
    for (let next = 0; performance.now() < untilMs; next++) {
      // Every kind once, in another order each time around.
      if (next % faults.length === 0) faults = shuffled(faults)
      const { kind, leavesMajority, run } = faults[next % faults.length] as CampaignFault
      await delay(CALM_MS)
      const fromMs = performance.now()
      await run(group)
      const toMs = performance.now()
      runs.push({ kind, leavesMajority, fromMs, toMs })
      await untilAllAnswer(history, toMs, kind)
      say(`${kind}: ${((toMs - fromMs) / 1000).toFixed(1)} s, ${history.operations.length} operations so far`)
    }
    await delay(CALM_MS)
    await load.stop()
    const { entries } = await waitForAgreement(group.http, 60_000)
    await load.finish()
    await load.close()
    const { verdict, stuckAt } = history.check()
    return {
      figures: figuresOf(history.operations, runs),
      operations: history.operations.length,
      verdict,
      stuckAt: stuckAt === undefined ? undefined : JSON.stringify(stuckAt),
      definiteShare: definiteShare(history.operations, runs),
      agreedEntries: entries,
      lasted: `${(durationMs / 60_000).toFixed(1)} minutes`,
    }
  } finally {
    await group.stop()
    smallDisk?.close()
  }
}

/** What one fault has left behind must not be taken for the work of the next. */
async function untilAllAnswer(history: History, sinceMs: number, kind: string): Promise<void> {
  while (history.answeredSince(sinceMs) < SERIES) {
    if (performance.now() - sinceMs > RECOVERY_TIMEOUT_MS)
      throw new Error(`${kind}: ${history.answeredSince(sinceMs)} of ${SERIES} series answer ${RECOVERY_TIMEOUT_MS} ms after it was mended`)
    await delay(50)
  }
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((value) => ({ value, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value)
}
