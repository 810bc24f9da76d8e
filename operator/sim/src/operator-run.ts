/**
 * One seeded run of the whole operator against the simulated cluster: people and faults do as the seed says, the invariants
 * watch every event; then faults end, and everything has to come to rest as the resources say.
 */

import type { Random } from '@thermocline/simulation'
import { PAXOS_GROUPS } from '../../src/controllers/watches.ts'
import { WATCH_SILENCE_MS } from '../../src/runtime/bounds.ts'
import type { Log } from '../../src/runtime/ports.ts'
import { SimCluster } from './cluster.ts'
import { unsettled } from './convergence.ts'
import { ALL_FAULTS, FAULTS, type Faults, NO_FAULTS } from './faults.ts'
import type { Invariant, RunView } from './invariant.ts'
import { allInvariants } from './invariants/mod.ts'
import { performScript } from './script.ts'
import type { SimNode } from './sim-node.ts'
import { ADMIN_FAULTS, type AdminFaults, NO_ADMIN_FAULTS } from './sim-node-admin.ts'
import { type Ask, SimOperator } from './sim-operator.ts'
import { StorageTier } from './storage-tier.ts'
import { Violation } from './violation.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
/** Retries wait up to 5 minutes, volumes are given up after 5, and everything learns for a minute, one after the other. */
const CONVERGE_MS = 60 * MINUTE
/** Requests whose answer was lost may be done a minute later, and a watch may have fallen silent just now. */
const LATE_MS = WATCH_SILENCE_MS + 65 * SECOND
/** What is as it should be for so long stays so: nothing is under way that only looks like rest. */
const REST_MS = 45 * SECOND
const LOOK_MS = 5 * SECOND
const COMPACT_MS = 2 * MINUTE
const KEPT_REVISIONS = 300
const RESTART_MS = [1 * SECOND, 20 * SECOND] as const
const NODES = { n1: 'z1', n2: 'z2', n3: 'z3', n4: 'z1', n5: 'z2', n6: 'z3' }

/** `retained`: the resource is gone, its volumes are not. */
export type Wanted = 'running' | 'needs-operator' | 'gone' | 'retained'

export interface RunOptions {
  readonly seed: number
  /** How long nothing may be written at the end. */
  readonly quietMs: number
  /** Killed whenever the answer to this step comes, this many times. */
  readonly killAfter?: { readonly step: string; readonly times: number }
  readonly script?: (run: OperatorRun) => Promise<void>
  readonly faults?: Partial<Faults>
  readonly adminFaults?: AdminFaults
  readonly operators?: number
  readonly log?: Log
  /** Told what people and faults do. */
  readonly tell?: (what: string) => void
}

export interface RunResult {
  readonly error: Violation | undefined
  readonly events: number
  readonly simulatedMs: number
  readonly kills: number
  /** Steps that were taken, and how often. */
  readonly steps: ReadonlyMap<string, number>
}

export class OperatorRun implements RunView {
  readonly tier = new StorageTier()
  readonly cluster: SimCluster<SimNode>
  readonly random: Random
  readonly operators: (SimOperator | undefined)[] = []
  /** What each resource has to come to. */
  readonly expected = new Map<string, Wanted>()
  readonly options: RunOptions
  image = 'default:1'
  error: Violation | undefined
  kills = 0
  readonly steps = new Map<string, number>()
  faults: Partial<Faults>
  adminFaults: AdminFaults
  /** Whether operators may read nodes and volumes. */
  readonly watchNodes: boolean
  underWayUntilMs = 0
  private readonly invariants: Invariant[]

  constructor(options: RunOptions) {
    this.options = options
    const cluster = new SimCluster({ seed: options.seed, start: this.tier.start, nodes: NODES, namespaces: ['default', 'system'] })
    this.cluster = cluster
    this.random = cluster.scheduler.random
    this.tier.attach(cluster)
    this.faults = options.faults ?? this.drawFaults()
    this.adminFaults = options.adminFaults ?? (this.random.chance(0.6) ? ADMIN_FAULTS : NO_ADMIN_FAULTS)
    this.watchNodes = options.script !== undefined || this.random.chance(0.85)
    this.invariants = allInvariants(this)
    cluster.store.listen((change) => this.each((invariant) => invariant.onChange?.(change)))
    this.tier.events = {
      onInstalled: (node, topology) => this.each((invariant) => invariant.onInstalled?.(node, topology)),
      onBecameVoter: (node) => this.each((invariant) => invariant.onBecameVoter?.(node)),
    }
    cluster.kubelets.brokenImages.add('broken:1')
    cluster.scheduler.every(COMPACT_MS, () => cluster.store.compact(cluster.store.revision - KEPT_REVISIONS))
    const count = options.operators ?? (this.random.chance(0.3) ? 2 : 1)
    for (let at = 0; at < count; at++) this.startOperator(at)
  }

  /** What the script has set going comes to its end. */
  later(delayMs: number, what: () => void): void {
    const { scheduler } = this.cluster
    this.underWayUntilMs = Math.max(this.underWayUntilMs, scheduler.nowMs + delayMs)
    scheduler.after(delayMs, what)
  }

  tell(what: string): void {
    this.options.tell?.(`${(this.cluster.scheduler.nowMs / SECOND).toFixed(1)} s: ${what}`)
  }

  startOperator(at: number): void {
    const operator: SimOperator = new SimOperator({
      cluster: this.cluster,
      name: `operator-${at}-${this.random.hex(2)}`,
      image: this.image,
      watchNodes: this.watchNodes,
      faults: this.faults,
      adminFaults: this.adminFaults,
      log: this.options.log,
      onAsk: (ask: Ask) => this.each((invariant) => invariant.onAsk?.(ask)),
      onDone: (step) => this.noteStep(at, operator, step),
      onLost: () => {
        if (this.operators[at] === operator) this.killOperator(at, 'has lost its lease')
      },
    })
    this.operators[at] = operator
  }

  /** It is started again, as Kubernetes does. */
  killOperator(at: number, why: string): void {
    const operator = this.operators[at]
    if (operator === undefined || operator.isDead) return
    this.tell(`operator ${operator.name} ends: ${why}`)
    this.kills++
    operator.kill()
    this.cluster.scheduler.after(this.random.between(...RESTART_MS), () => this.startOperator(at))
  }

  async wait(forMs: number, isDone: () => boolean = () => false): Promise<void> {
    await this.cluster.run(forMs, () => this.error !== undefined || isDone())
  }

  async run(): Promise<RunResult> {
    const { scheduler } = this.cluster
    await (this.options.script ?? performScript)(this)
    if (this.error === undefined) await this.converge()
    this.cluster.stop()
    for (const operator of this.operators) operator?.kill()
    return { error: this.error, events: scheduler.events, simulatedMs: scheduler.nowMs, kills: this.kills, steps: this.steps }
  }

  /** Faults end; then nothing may be left to do, and nothing may be done. */
  private async converge(): Promise<void> {
    this.tell('faults end')
    this.faults = NO_FAULTS
    this.adminFaults = NO_ADMIN_FAULTS
    for (const operator of this.operators) operator?.setFaults(NO_FAULTS, NO_ADMIN_FAULTS)
    const untilMs = this.cluster.scheduler.nowMs + CONVERGE_MS
    await this.wait(LATE_MS)
    let restingMs = 0
    while (restingMs < REST_MS && this.error === undefined) {
      await this.wait(LOOK_MS)
      const why = unsettled(this)
      restingMs = why === undefined ? restingMs + LOOK_MS : 0
      if (this.cluster.scheduler.nowMs > untilMs) this.error ??= new Violation('converges', why ?? 'it never rests')
    }
    this.tell('settled')
    for (const invariant of this.invariants) invariant.onSettled?.()
    await this.wait(this.options.quietMs)
    const why = unsettled(this)
    if (why !== undefined) this.error ??= new Violation('converges', `it was settled, and then: ${why}`)
  }

  private each(tell: (invariant: Invariant) => void): void {
    if (this.error !== undefined) return
    try {
      for (const invariant of this.invariants) tell(invariant)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.error = error
    }
  }

  private noteStep(at: number, operator: SimOperator, step: string): void {
    this.steps.set(step, (this.steps.get(step) ?? 0) + 1)
    const { killAfter } = this.options
    if (killAfter === undefined || killAfter.step !== step || this.kills >= killAfter.times) return
    if (this.operators[at] === operator) this.killOperator(at, `after ${step}`)
  }

  private drawFaults(): Partial<Faults> {
    const draw = this.random.next()
    if (draw < 0.15) return NO_FAULTS
    return draw < 0.6 ? ALL_FAULTS : this.random.pick(Object.values(FAULTS))
  }

  /** The resources there are, by name. */
  resources(): string[] {
    return this.cluster.store.all(PAXOS_GROUPS).map(({ metadata }) => metadata.name)
  }
}

export function runSeed(options: RunOptions): Promise<RunResult> {
  return new OperatorRun(options).run()
}
