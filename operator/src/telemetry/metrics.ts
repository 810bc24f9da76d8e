/** The operator's figures for Prometheus; operator/README.md lists them. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { JOB_TYPES } from '../api/paxos-group.ts'

const PREFIX = 'thermocline_operator_'
const GROUP_PREFIX = 'thermocline_paxosgroup_'
const MEMORY_PREFIX = 'thermocline_memorygroup_'

const RECONCILE_RESULTS = ['unchanged', 'changed', 'waiting', 'failed'] as const
export type ReconcileResult = (typeof RECONCILE_RESULTS)[number]
export type ConditionStatus = 'True' | 'False' | 'Unknown'

export interface PaxosGroupFigures {
  readonly replicas: number
  readonly voters: number
  readonly conditions: Readonly<Record<string, ConditionStatus>>
  /** Type of job → how many run. */
  readonly jobs: Readonly<Record<string, number>>
}

export interface MemoryGroupFigures {
  readonly machines: number
  readonly ready: number
  /** Those that clients are told of. */
  readonly listed: number
  readonly conditions: Readonly<Record<string, ConditionStatus>>
}

const CONDITION_VALUES: Readonly<Record<ConditionStatus, number>> = { True: 1, False: 0, Unknown: -1 }

const NO_JOBS: Readonly<Record<string, number>> = Object.fromEntries(JOB_TYPES.map((type) => [type, 0]))

export class OperatorMetrics {
  readonly registry = new Registry()
  private readonly registers = [this.registry]
  private readonly depths = new Map<string, () => number>()
  /** Labels set for a resource, so that its figures go when it does. */
  private readonly conditionTypes = new Map<string, Set<string>>()
  private readonly jobTypes = new Map<string, Set<string>>()
  private readonly memoryConditionTypes = new Map<string, Set<string>>()

  private readonly leader = this.gauge(`${PREFIX}leader`, '1 on the operator that leads.', [])
  private readonly reconciles = this.counter(`${PREFIX}reconciles_total`, 'Passes over a resource, by how they ended.', ['kind', 'result'])
  private readonly outdated = this.gauge(`${PREFIX}definition_outdated`, '1: the server’s definition is older than the operator.', ['kind'])
  private readonly seconds = new Histogram({
    name: `${PREFIX}reconcile_seconds`,
    help: 'How long passes took.',
    labelNames: ['kind'],
    buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100],
    registers: this.registers,
  })
  private readonly retries = this.counter(`${PREFIX}queue_retries_total`, 'Keys queued again after a failure.', ['kind'])
  private readonly restarts = this.counter(`${PREFIX}watch_restarts_total`, 'Watches begun anew after a failure.', ['resource'])
  private readonly requests = this.counter(`${PREFIX}api_requests_total`, 'Requests to the Kubernetes API by status; code 0: no answer.', [
    'verb',
    'resource',
    'code',
  ])
  private readonly writes = this.counter(`${PREFIX}writes_total`, 'Objects written because they differed.', ['resource'])
  private readonly condition = this.gauge(`${GROUP_PREFIX}condition`, '1 True, 0 False, -1 Unknown.', ['namespace', 'name', 'type'])
  private readonly replicas = this.gauge(`${GROUP_PREFIX}replicas`, 'Replicas wanted.', ['namespace', 'name'])
  private readonly voters = this.gauge(`${GROUP_PREFIX}voters`, 'Replicas that say they vote in every block.', ['namespace', 'name'])
  private readonly jobs = this.gauge(`${GROUP_PREFIX}jobs`, 'Jobs under way.', ['namespace', 'name', 'type'])

  private readonly memoryCondition = this.gauge(`${MEMORY_PREFIX}condition`, '1 True, 0 False, -1 Unknown.', ['namespace', 'name', 'type'])
  private readonly machines = this.gauge(`${MEMORY_PREFIX}machines`, 'Machines wanted or there.', ['namespace', 'name'])
  private readonly readyMachines = this.gauge(`${MEMORY_PREFIX}ready`, 'Machines that are ready.', ['namespace', 'name'])
  private readonly listedMachines = this.gauge(`${MEMORY_PREFIX}listed`, 'Machines that clients are told of.', ['namespace', 'name'])

  constructor() {
    const { depths } = this
    collectDefaultMetrics({ register: this.registry })
    new Gauge({
      name: `${PREFIX}queue_depth`,
      help: 'Keys that could be worked on now.',
      labelNames: ['kind'],
      registers: this.registers,
      collect() {
        for (const [kind, depth] of depths) this.set({ kind }, depth())
      },
    })
    this.leader.set(0)
  }

  setLeader(isLeader: boolean): void {
    this.leader.set(isLeader ? 1 : 0)
  }

  /** A counter that is there from the start shows its first increase, and says that nothing has happened while it has not. */
  watchQueue(kind: string, depth: () => number): void {
    this.depths.set(kind, depth)
    this.retries.inc({ kind }, 0)
    for (const result of RECONCILE_RESULTS) this.reconciles.inc({ kind, result }, 0)
  }

  /** Resources that will be watched, and those of them that will be written. */
  expect(watched: Iterable<string>, written: Iterable<string>): void {
    for (const resource of watched) this.restarts.inc({ resource }, 0)
    for (const resource of written) this.writes.inc({ resource }, 0)
  }

  reconciled(kind: string, result: ReconcileResult, tookMs: number): void {
    this.reconciles.inc({ kind, result })
    this.seconds.observe({ kind }, tookMs / 1000)
    if (result === 'failed') this.retries.inc({ kind })
  }

  setDefinitionOutdated(kind: string, isOutdated: boolean): void {
    this.outdated.set({ kind }, isOutdated ? 1 : 0)
  }

  watchRestarted(resource: string): void {
    this.restarts.inc({ resource })
  }

  requested(verb: string, resource: string, status: number): void {
    this.requests.inc({ verb, resource, code: String(status) })
  }

  wrote(resource: string): void {
    this.writes.inc({ resource })
  }

  setPaxosGroup(namespace: string, name: string, { replicas, voters, conditions, jobs }: PaxosGroupFigures): void {
    const at = { namespace, name }
    this.replicas.set(at, replicas)
    this.voters.set(at, voters)
    const values = Object.entries(conditions).map(([type, status]) => [type, CONDITION_VALUES[status]] as const)
    setByType(this.condition, this.conditionTypes, at, values)
    setByType(this.jobs, this.jobTypes, at, Object.entries({ ...NO_JOBS, ...jobs }))
  }

  /** The resource is gone. */
  forgetPaxosGroup(namespace: string, name: string): void {
    const at = { namespace, name }
    this.replicas.remove(at)
    this.voters.remove(at)
    setByType(this.condition, this.conditionTypes, at, [])
    setByType(this.jobs, this.jobTypes, at, [])
  }

  setMemoryGroup(namespace: string, name: string, { machines, ready, listed, conditions }: MemoryGroupFigures): void {
    const at = { namespace, name }
    this.machines.set(at, machines)
    this.readyMachines.set(at, ready)
    this.listedMachines.set(at, listed)
    const values = Object.entries(conditions).map(([type, status]) => [type, CONDITION_VALUES[status]] as const)
    setByType(this.memoryCondition, this.memoryConditionTypes, at, values)
  }

  /** The resource is gone. */
  forgetMemoryGroup(namespace: string, name: string): void {
    const at = { namespace, name }
    for (const gauge of [this.machines, this.readyMachines, this.listedMachines]) gauge.remove(at)
    setByType(this.memoryCondition, this.memoryConditionTypes, at, [])
  }

  private gauge(name: string, help: string, labelNames: readonly string[]): Gauge {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: this.registers })
  }

  private counter(name: string, help: string, labelNames: readonly string[]): Counter {
    return new Counter({ name, help, labelNames: [...labelNames], registers: this.registers })
  }
}

/** Sets the gauge for these types, and removes it for those that were set before. */
function setByType(
  gauge: Gauge,
  known: Map<string, Set<string>>,
  at: { namespace: string; name: string },
  values: readonly (readonly [string, number])[],
): void {
  const key = `${at.namespace}/${at.name}`
  const now = new Set(values.map(([type]) => type))
  for (const type of known.get(key) ?? []) if (!now.has(type)) gauge.remove({ ...at, type })
  for (const [type, value] of values) gauge.set({ ...at, type }, value)
  if (now.size === 0) known.delete(key)
  else known.set(key, now)
}
