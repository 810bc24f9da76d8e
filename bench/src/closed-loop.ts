/** Closed loops: each client makes one call after the other. What a loader process measures, whatever it loads. */
import { setTimeout as delay } from 'node:timers/promises'
import { cpuSeconds } from './processes.ts'
import { type LoaderSample, quantilesOf } from './sample.ts'

const WARM_UP_MS = 500
/** A client whose call failed waits: a store that is gone fails each call at once. */
const PAUSE_AFTER_ERROR_MS = 10

export interface LoopPlan {
  readonly clients: number
  readonly seconds: number
  /** The servers' processes. */
  readonly pids: readonly number[]
  readonly operationsPerCall: number
  /** Calls per second of all clients together, if not as many as they can. */
  readonly rate?: number
  /** At a rate: what is due begins together every so many ms (1). */
  readonly burstMs?: number
  /** Whether the next call is a write among reads; its latency is counted apart. */
  nextIsWrite?(): boolean
  call(client: number, isWrite: boolean): Promise<void>
}

/** Lets calls begin at a rate: what is due at a tick begins together. */
class Pace {
  private readonly perMs: number
  private readonly beganMs = performance.now()
  private readonly waiting: (() => void)[] = []
  private begun = 0

  constructor(perSecond: number, burstMs: number) {
    this.perMs = perSecond / 1000
    setInterval(() => this.tick(), burstMs).unref()
  }

  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve)
    })
  }

  private tick(): void {
    const due = Math.floor((performance.now() - this.beganMs) * this.perMs)
    for (const begin of this.waiting.splice(0, Math.max(0, due - this.begun))) begin()
    // What nobody was free to begin is not made up for.
    this.begun = due
  }
}

export async function runClosedLoops(plan: LoopPlan): Promise<LoaderSample> {
  const reads: number[] = []
  const writes: number[] = []
  let isMeasuring = false
  let isOver = false
  let errors = 0
  let firstError: string | undefined
  const pace = plan.rate === undefined ? undefined : new Pace(plan.rate, plan.burstMs ?? 1)
  const loop = async (client: number): Promise<void> => {
    while (!isOver) {
      if (pace !== undefined) await pace.turn()
      const isWrite = plan.nextIsWrite?.() === true
      const began = performance.now()
      try {
        await plan.call(client, isWrite)
        if (isMeasuring) (isWrite ? writes : reads).push(performance.now() - began)
      } catch (error) {
        if (isMeasuring) {
          errors++
          firstError ??= String(error)
        }
        await delay(PAUSE_AFTER_ERROR_MS)
      }
    }
  }
  const loops = Array.from({ length: plan.clients }, (_, client) => loop(client))
  await delay(WARM_UP_MS)
  isMeasuring = true
  const serverCpu = cpuSeconds(plan.pids)
  const own = process.cpuUsage()
  const began = performance.now()
  await delay(plan.seconds * 1000)
  isMeasuring = false
  const seconds = (performance.now() - began) / 1000
  const serverCpuSeconds = cpuSeconds(plan.pids) - serverCpu
  const ownUsed = process.cpuUsage(own)
  isOver = true
  await Promise.all(loops)
  const calls = reads.length + writes.length
  const quantiles = (values: readonly number[]) => quantilesOf(Float64Array.from(values).sort())
  return {
    calls,
    operations: calls * plan.operationsPerCall,
    seconds,
    serverCpuSeconds,
    loaderCpuSeconds: (ownUsed.user + ownUsed.system) / 1e6,
    errors,
    ...(firstError === undefined ? {} : { firstError }),
    quantilesMs: quantiles(reads),
    ...(writes.length === 0 ? {} : { writes: { calls: writes.length, quantilesMs: quantiles(writes) } }),
  }
}
