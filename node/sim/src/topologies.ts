/**
 * Topologies of a simulated cluster, as far as the memory tier goes: what clients and memory machines route by. Each follower takes
 * a newer one over in its own time, so that several are in force at once.
 */
import type { Scheduler } from './scheduler.ts'

export interface SimTopology {
  readonly epoch: number
  /** As memory machines sort their validations. All of them are the one group that is simulated. */
  readonly storageGroups: number
  /** Numbers of machines, by memory group. */
  readonly groups: readonly (readonly number[])[]
  /** How many of the reads that could go to the memory tier do. */
  readonly ratio: number
  /** Reads of ids below go to the storage tier. */
  readonly split: bigint
}

export class Topologies {
  private readonly scheduler: Scheduler
  private readonly followers: ((topology: SimTopology) => void)[] = []
  private newest: SimTopology

  constructor(scheduler: Scheduler, first: SimTopology) {
    this.scheduler = scheduler
    this.newest = first
  }

  get current(): SimTopology {
    return this.newest
  }

  /** Has the newest one at once, and each later one after a while; never an older one again. */
  follow(install: (topology: SimTopology) => void): void {
    let epoch = 0
    const take = (topology: SimTopology): void => {
      if (topology.epoch <= epoch) return
      epoch = topology.epoch
      install(topology)
    }
    take(this.newest)
    this.followers.push(take)
  }

  publish(topology: SimTopology): void {
    const { scheduler } = this
    const { random } = scheduler
    this.newest = topology
    for (const take of this.followers) scheduler.at(random.between(0, random.pick([5, 100, 1500])), () => take(topology))
  }
}
