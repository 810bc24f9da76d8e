/**
 * The memory tier of a simulated cluster: machines that come, go, and die, and the topologies that name them. A machine may begin to
 * run before or after clients hear of it, and end while they still ask it; another topology may give it other blocks.
 */
import type { Topology } from '@thermocline/protocol'
import { type Cluster, EPOCH_MS } from './cluster.ts'
import { type MemoryHits, MemoryMachine } from './memory-machine.ts'
import type { Scheduler } from './scheduler.ts'
import { memoryAddress, type Plan, type Topologies } from './topologies.ts'

const GROUPS = 2
const MACHINES_PER_GROUP = 2
/** A machine that a new topology no longer names ends within this. */
const END_MS = 400
const BEGIN_MS = 100
const DOWN_MS = 60
/** Records below are read from the storage tier only, in some topologies; all ids of a run are of the first seconds after 1970. */
const SPLITS_MS = [512, 1024]

export class MemoryFleet {
  readonly hits: MemoryHits & { topologies: number; added: number; removed: number } = {
    restarts: 0,
    keptFiles: 0,
    torn: 0,
    unchanged: 0,
    again: 0,
    later: 0,
    failed: 0,
    prefetched: 0,
    topologies: 0,
    added: 0,
    removed: 0,
  }
  private readonly scheduler: Scheduler
  private readonly topologies: Topologies
  readonly machines: readonly MemoryMachine[]
  private readonly crashEveryMs: number
  private readonly changeEveryMs: number
  private isQuiet = false

  constructor(
    scheduler: Scheduler,
    cluster: Cluster,
    folder: string,
    onError: (error: Error) => void,
    complain: (what: string, fields: Record<string, unknown>) => void,
  ) {
    const { random } = scheduler
    const { streams, topologies, options } = cluster
    const { replicaCount, traffic } = options
    this.scheduler = scheduler
    this.topologies = topologies
    this.crashEveryMs = random.pick([100, 400, 100_000])
    this.changeEveryMs = random.pick([60, 400, 100_000])
    const timeoutMs = random.pick([100, 300, 1500])
    const { hits } = this
    const at = (address: string): MemoryMachine | undefined =>
      this.machines.find(({ group, number }) => memoryAddress(group, number) === address)
    this.machines = Array.from({ length: GROUPS * MACHINES_PER_GROUP }, (_, place) => {
      const [group, number] = [place % GROUPS, Math.floor(place / GROUPS)]
      return new MemoryMachine({ scheduler, streams, group, number, folder, replicaCount, traffic, timeoutMs, hits, at, onError, complain })
    })
    topologies.publish({ storageGroups: 1, memory: { groups: [[0]], ratioPercent: 80, newerThanMs: 0, warmUpMs: 0 } })
    this.machines[0]?.start()
    this.planCrash()
    this.planChange()
  }

  private planCrash(): void {
    const { scheduler, machines } = this
    const { random } = scheduler
    scheduler.at(random.between(0.2, 1.8) * this.crashEveryMs, () => {
      if (this.isQuiet) return
      const running = machines.filter(({ isRunning }) => isRunning)
      if (running.length > 0) this.crash(random.pick(running))
      this.planCrash()
    })
  }

  private crash(machine: MemoryMachine): void {
    machine.crash()
    this.scheduler.at(this.scheduler.random.between(1, DOWN_MS), () => {
      if (!machine.isRunning && isNamed(this.topologies.current, machine)) machine.start()
    })
  }

  private planChange(): void {
    const { scheduler } = this
    scheduler.at(scheduler.random.between(0.2, 1.8) * this.changeEveryMs, () => {
      if (this.isQuiet) return
      this.change()
      this.planChange()
    })
  }

  private change(): void {
    const { topologies, scheduler, hits } = this
    const { random } = scheduler
    topologies.publish(this.nextPlan())
    hits.topologies++
    for (const machine of this.machines) {
      const begins = isNamed(topologies.current, machine)
      scheduler.at(random.between(0, begins ? BEGIN_MS : END_MS), () => {
        // What a later one says holds.
        if (isNamed(topologies.current, machine) !== begins || machine.isRunning === begins) return
        hits[begins ? 'added' : 'removed']++
        if (begins) machine.start()
        else machine.crash()
      })
    }
  }

  private nextPlan(): Plan {
    const { scheduler } = this
    const { random } = scheduler
    const groups = Array.from({ length: 1 + random.below(GROUPS) }, (_, group) =>
      this.machines.filter((machine) => machine.group === group && random.chance(0.8)).map(({ number }) => number),
    )
    const newerThanMs = random.chance(0.7) ? 0 : Math.floor(EPOCH_MS + scheduler.nowMs - random.pick(SPLITS_MS))
    return {
      storageGroups: random.pick([1, 1, 2, 3]),
      memory: { groups, ratioPercent: random.pick([0, 50, 100, 100, 100]), newerThanMs, warmUpMs: random.pick([0, 200]) },
    }
  }

  /** The topology stays as it is, and no machine dies. */
  calm(): void {
    this.isQuiet = true
  }

  /** Requests that some machine took and has not answered. */
  get owed(): number {
    return this.machines.reduce((sum, { owed }) => sum + owed, 0)
  }

  close(): void {
    for (const machine of this.machines) machine.close()
  }
}

/** Does the topology send reads to the machine? */
function isNamed({ memory }: Topology, { group, number }: MemoryMachine): boolean {
  return memory?.groups[group]?.some(({ data }) => data === memoryAddress(group, number)) === true
}
