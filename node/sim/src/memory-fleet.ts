/**
 * The memory tier of a simulated cluster: machines that come, go, and die, and the topologies that name them. A machine may begin to
 * run before or after clients hear of it, and end while they still ask it; another topology may give it other blocks.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from './cluster.ts'
import { type MemoryHits, MemoryMachine } from './memory-machine.ts'
import type { Scheduler } from './scheduler.ts'
import { type SimTopology, Topologies } from './topologies.ts'
import { ValidationLinks } from './validation-links.ts'

export const MACHINES = 3
const MOST_GROUPS = 2
/** A machine that a new topology no longer names ends within this. */
const END_MS = 400
const BEGIN_MS = 100
const DOWN_MS = 60

export class MemoryFleet {
  readonly topologies: Topologies
  readonly links: ValidationLinks
  readonly hits: MemoryHits & { topologies: number; added: number; removed: number } = {
    reads: 0,
    restarts: 0,
    keptFiles: 0,
    torn: 0,
    lost: 0,
    lateAnswers: 0,
    answersToTheDead: 0,
    askedAgain: 0,
    unchanged: 0,
    again: 0,
    later: 0,
    patientAnswers: 0,
    prefetched: 0,
    topologies: 0,
    added: 0,
    removed: 0,
  }
  private readonly scheduler: Scheduler
  private readonly folder = mkdtempSync(join(tmpdir(), 'thermocline-sim-'))
  private readonly machines: readonly MemoryMachine[]
  private readonly crashEveryMs: number
  private readonly changeEveryMs: number
  private isQuiet = false

  constructor(scheduler: Scheduler, cluster: Cluster, sliceMs: number) {
    const { random } = scheduler
    this.scheduler = scheduler
    this.links = new ValidationLinks(scheduler, cluster)
    this.crashEveryMs = random.pick([100, 400, 100_000])
    this.changeEveryMs = random.pick([60, 400, 100_000])
    const timeoutMs = random.pick([100, 300, 1500])
    const { folder, links, hits } = this
    const { replicaCount } = cluster.options
    this.machines = Array.from(
      { length: MACHINES },
      (_, number) => new MemoryMachine({ scheduler, number, folder, sliceMs, replicaCount, links, timeoutMs, hits }),
    )
    this.topologies = new Topologies(scheduler, { epoch: 1, storageGroups: 1, groups: [[0]], ratio: 0.8, split: 0n })
    for (const machine of this.machines) this.topologies.follow((topology) => machine.install(topology))
    this.machines[0]?.start()
    this.planCrash()
    this.planChange()
  }

  private planCrash(): void {
    const { scheduler, machines } = this
    const { random } = scheduler
    scheduler.at(random.between(0.2, 1.8) * this.crashEveryMs, () => {
      const running = machines.filter(({ isRunning }) => isRunning)
      if (running.length > 0) this.crash(random.pick(running))
      this.planCrash()
    })
  }

  private crash(machine: MemoryMachine): void {
    const number = this.machines.indexOf(machine)
    machine.crash()
    this.scheduler.at(this.scheduler.random.between(1, DOWN_MS), () => {
      if (!machine.isRunning && isNamed(this.topologies.current, number)) machine.start()
    })
  }

  private planChange(): void {
    const { scheduler } = this
    scheduler.at(scheduler.random.between(0.2, 1.8) * this.changeEveryMs, () => {
      if (!this.isQuiet) this.change()
      this.planChange()
    })
  }

  private change(): void {
    const { topologies, machines, scheduler, hits } = this
    const { random } = scheduler
    const next = this.nextTopology()
    topologies.publish(next)
    hits.topologies++
    for (const [number, machine] of machines.entries()) {
      const begins = isNamed(next, number)
      scheduler.at(random.between(0, begins ? BEGIN_MS : END_MS), () => {
        // What a later one says holds.
        if (isNamed(topologies.current, number) !== begins || machine.isRunning === begins) return
        hits[begins ? 'added' : 'removed']++
        if (!begins) machine.crash()
        else {
          machine.start()
          this.warm(machine, next)
        }
      })
    }
  }

  private warm(machine: MemoryMachine, { groups }: SimTopology): void {
    const number = this.machines.indexOf(machine)
    const group = groups.findIndex((machines) => machines.includes(number))
    for (const peer of this.machines) if (peer !== machine) machine.prefetch(peer, groups.length, group)
  }

  private nextTopology(): SimTopology {
    const { random } = this.scheduler
    const groups: number[][] = Array.from({ length: 1 + random.below(MOST_GROUPS) }, () => [])
    for (let number = 0; number < MACHINES; number++) if (random.chance(0.85)) random.pick(groups).push(number)
    return {
      epoch: this.topologies.current.epoch + 1,
      storageGroups: random.pick([1, 1, 2, 3]),
      groups,
      ratio: random.pick([0, 0.5, 1, 1, 1]),
      split: random.pick([0n, 0n, 0n, 0n, 1n << 25n, 1n << 26n]),
    }
  }

  /** A client's read, to a machine that it took from a topology. */
  submit(machine: number, operation: number, body: Uint8Array, onAnswer: (error: number, body: Uint8Array) => void): void {
    this.machines[machine]?.submit(operation, body, onAnswer)
  }

  /** Everything between memory and storage arrives. */
  mend(): void {
    this.links.mend()
  }

  /** The topology stays as it is. */
  calm(): void {
    this.isQuiet = true
  }

  /** Requests that some machine took and has not answered. */
  get owed(): number {
    return this.machines.reduce((sum, { owed }) => sum + owed, 0)
  }

  close(): void {
    for (const machine of this.machines) machine.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function isNamed({ groups }: SimTopology, number: number): boolean {
  return groups.some((group) => group.includes(number))
}
