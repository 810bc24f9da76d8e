/** A fault that happens at some moment of a run, and what it may do to the simulated world. */

import type { Random } from '@thermocline/simulation'
import type { Cluster } from '../cluster.ts'
import type { SimDisk } from '../disk.ts'
import type { SimNetwork } from '../network.ts'
import type { Scheduler } from '../scheduler.ts'

export interface Fault {
  /** As it is reported, and as it is required to have happened. */
  readonly name: string
  /** How often it happens beside the others: a seed draws one of these. */
  readonly weights: readonly number[]
  inject(world: World): void
}

export class World {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly cluster: Cluster
  readonly network: SimNetwork
  pausedUntilMs = 0
  /** The time of faults has passed: none that was to come later may come. */
  isOver = false

  constructor(scheduler: Scheduler, cluster: Cluster, network: SimNetwork) {
    this.scheduler = scheduler
    this.random = scheduler.random
    this.cluster = cluster
    this.network = network
  }

  get replicaCount(): number {
    return this.cluster.machines.length
  }

  anyReplica(): number {
    return this.random.below(this.replicaCount)
  }

  machine(number: number): (typeof this.cluster.machines)[number] {
    return this.cluster.machines[number] as (typeof this.cluster.machines)[number]
  }

  /** Everything works for so long: no fault is injected. */
  pause(forMs: number): void {
    this.cluster.mend()
    this.network.cut.clear()
    this.pausedUntilMs = this.scheduler.nowMs + forMs
  }

  anyDisk(): SimDisk {
    return this.machine(this.anyReplica()).volume.disk
  }

  crashAndRestart(replica: number, downMs: number, isPowerCut = this.random.chance(0.5)): void {
    this.cluster.crash(replica, isPowerCut)
    this.cluster.restartWithin(replica, downMs)
  }

  /** Nothing arrives from `from` at `to` for so long. */
  cut(directions: readonly (readonly [from: number, to: number])[], forMs: number): void {
    const keys = directions.map(([from, to]) => from * 16 + to)
    for (const key of keys) this.network.cut.add(key)
    this.scheduler.at(forMs, () => {
      for (const key of keys) this.network.cut.delete(key)
    })
  }

  /** All directions between `replica` and the others. */
  around(replica: number): [number, number][] {
    return this.cluster.machines.flatMap((_, other): [number, number][] =>
      other === replica
        ? []
        : [
            [replica, other],
            [other, replica],
          ],
    )
  }

  /** Everything works again. */
  mend(): void {
    this.network.mend()
    this.cluster.mend()
  }
}
