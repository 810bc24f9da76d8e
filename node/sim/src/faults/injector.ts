/** Injects faults at random until stopped; then mends everything. Rates differ from seed to seed. */

import type { Cluster } from '../cluster.ts'
import type { SimNetwork } from '../network.ts'
import type { Scheduler } from '../scheduler.ts'
import { clockStep } from './clock-step.ts'
import { corruptSector } from './corrupt-sector.ts'
import { crash } from './crash.ts'
import { crashAll } from './crash-all.ts'
import { failedSync } from './failed-sync.ts'
import { type Fault, World } from './fault.ts'
import { fullDisk } from './full-disk.ts'
import { halfFlush } from './half-flush.ts'
import { isolate } from './isolate.ts'
import { longCrash } from './long-crash.ts'
import { lyingCache } from './lying-cache.ts'
import { memoryCut } from './memory-cut.ts'
import { memoryCutOff } from './memory-cut-off.ts'
import { oneWayCut } from './one-way-cut.ts'
import { reset } from './reset.ts'
import { ringPartition } from './ring-partition.ts'
import { rolledBackVolume } from './rolled-back-volume.ts'
import { rottenBlock } from './rotten-block.ts'
import { slowDisk } from './slow-disk.ts'
import { stalledDisk } from './stalled-disk.ts'
import { streamCut } from './stream-cut.ts'
import { streamReset } from './stream-reset.ts'
import { swizzle } from './swizzle.ts'
import { wipedDisk } from './wiped-disk.ts'
import { zombie } from './zombie.ts'

export const FAULTS: readonly Fault[] = [
  crash,
  longCrash,
  crashAll,
  oneWayCut,
  isolate,
  ringPartition,
  swizzle,
  reset,
  slowDisk,
  stalledDisk,
  failedSync,
  fullDisk,
  wipedDisk,
  zombie,
  rolledBackVolume,
  corruptSector,
  rottenBlock,
  streamReset,
  streamCut,
  clockStep,
  lyingCache,
  halfFlush,
]

/** Between memory and storage tier, by an injector of their own: seeds without a memory tier stay as they are. */
export const MEMORY_FAULTS: readonly Fault[] = [memoryCut, memoryCutOff]

/** A seed draws one of these. */
const EVERY_MS = [100, 300, 1000]
const MEMORY_EVERY_MS = [200, 1000, 100_000]

export class FaultInjector {
  private readonly world: World
  private readonly faults: readonly Fault[]
  private readonly everyMs: number
  private readonly weights: readonly number[]
  private isStopped = false
  readonly hits: Record<string, number>

  constructor(scheduler: Scheduler, cluster: Cluster, network: SimNetwork, faults: typeof FAULTS | typeof MEMORY_FAULTS) {
    this.faults = faults
    this.hits = Object.fromEntries(faults.map(({ name }) => [name, 0]))
    this.world = new World(scheduler, cluster, network)
    const { random } = scheduler
    this.everyMs = random.pick(faults === MEMORY_FAULTS ? MEMORY_EVERY_MS : EVERY_MS)
    this.weights = faults.map(({ weights }) => random.pick(weights))
  }

  start(): void {
    const { scheduler, random } = this.world
    scheduler.at(random.between(0.2, 1.8) * this.everyMs, () => {
      if (this.isStopped) return
      if (scheduler.nowMs >= this.world.pausedUntilMs) this.injectOne()
      this.start()
    })
  }

  stop(): void {
    this.isStopped = true
    this.world.isOver = true
    this.world.mend()
  }

  private injectOne(): void {
    let at = this.world.random.next() * this.weights.reduce((sum, weight) => sum + weight, 0)
    for (const [i, fault] of this.faults.entries()) {
      const weight = this.weights[i] as number
      at -= weight
      if (weight === 0 || at > 0) continue
      this.hits[fault.name] = (this.hits[fault.name] as number) + 1
      fault.inject(this.world)
      return
    }
  }
}
