/**
 * Topologies of a simulated cluster. Each follower takes a newer one over in its own time, so that several are in force at once.
 * All storage groups are the one that is simulated: what a client or a memory node sorts by group must come out the same.
 */
import { type Placement, placementOf, type Topology } from '@thermocline/protocol'
import type { Scheduler } from './scheduler.ts'

export const CLUSTER_ID = 'c0ffee'.padEnd(32, '0')
export const SLICE_MS = 1000
/** Storage groups of a topology, and memory groups. */
export const MOST_GROUPS = 3
const FIRST_PORT = 7400

export const storageName = (replica: number): string => `storage-${replica}`
export const memoryName = (group: number, machine: number): string => `memory-${group}-${machine}`
export const storageAddress = (group: number, replica: number): string => `${storageName(replica)}:${FIRST_PORT + group}`
export const memoryAddress = (group: number, machine: number): string => `${memoryName(group, machine)}:${FIRST_PORT}`

/** What of a topology is drawn anew. */
export interface Plan {
  readonly storageGroups: number
  /** Numbers of machines, by memory group; undefined: no memory tier. */
  readonly memory?:
    | {
        readonly groups: readonly (readonly number[])[]
        readonly ratioPercent: number
        readonly newerThanMs: number
        readonly warmUpMs: number
      }
    | undefined
}

export class Topologies {
  private readonly scheduler: Scheduler
  private readonly nonces: readonly string[]
  private readonly followers: ((topology: Topology) => void)[] = []
  private newest: Topology

  /** @param nonces of the volumes that fill the slots. */
  constructor(scheduler: Scheduler, nonces: readonly string[]) {
    this.scheduler = scheduler
    this.nonces = nonces
    this.newest = this.documentOf({ storageGroups: 1 }, 1)
  }

  get current(): Topology {
    return this.newest
  }

  /** Has the newest one at once, and each later one after a while; never an older one again. */
  follow(install: (topology: Topology) => void): void {
    let epoch = 0
    const take = (topology: Topology): void => {
      if (topology.epoch <= epoch) return
      epoch = topology.epoch
      install(topology)
      this.scheduler.hasReactions = true
    }
    take(this.newest)
    this.followers.push(take)
  }

  publish(plan: Plan): void {
    const { scheduler } = this
    const { random } = scheduler
    const topology = this.documentOf(plan, this.newest.epoch + 1)
    this.newest = topology
    for (const take of this.followers) scheduler.at(random.between(0, random.pick([5, 100, 1500])), () => take(topology))
  }

  private documentOf({ storageGroups, memory }: Plan, epoch: number): Topology {
    return {
      formatVersion: 1,
      clusterId: CLUSTER_ID,
      epoch,
      sliceDurationMs: SLICE_MS,
      restoreGeneration: 0,
      groups: Array.from({ length: storageGroups }, (_, group) => ({
        group,
        replicas: this.nonces.map((nonce, replica) => {
          const data = storageAddress(group, replica)
          return { replica, data, http: data, zone: '', incarnation: { number: 0, nonce } }
        }),
      })),
      ...(memory === undefined
        ? {}
        : {
            memory: {
              ...memory,
              groups: memory.groups.map((machines, group) =>
                machines.map((machine) => {
                  const data = memoryAddress(group, machine)
                  return { data, http: data, zone: '' }
                }),
              ),
            },
          }),
    }
  }
}

/** The group of each block, where there are so many. */
export const placementOfGroups = (groups: number): Placement['owner'] => placementOf(groups).owner
