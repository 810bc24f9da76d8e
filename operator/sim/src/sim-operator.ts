/**
 * One operator process in the simulation: the shipped wiring over a client, a clock and an admin API that all fall silent when
 * it is killed. Requests under way still arrive, as they do in the real world.
 */

import type { NodeAdmin } from '../../src/cluster-admin/node-admin.ts'
import { discover, Operator, type OperatorSettings } from '../../src/operator.ts'
import { LEASE_REQUEST_TIMEOUT_MS } from '../../src/runtime/bounds.ts'
import { KubeError } from '../../src/runtime/kube-error.ts'
import type { Clock, Kube, KubeObject, Log, MergePatch, Resource, World } from '../../src/runtime/ports.ts'
import { OperatorMetrics } from '../../src/telemetry/metrics.ts'
import { SILENT, type SimCluster } from './cluster.ts'
import type { Faults } from './faults.ts'
import type { SimKube } from './sim-kube.ts'
import type { SimNode } from './sim-node.ts'
import { type AdminFaults, SimNodeAdmin } from './sim-node-admin.ts'

/** A request as it is sent. */
export interface Ask {
  readonly verb: string
  readonly resource: Resource | undefined
  readonly args: readonly unknown[]
  /** What it does, like `deletePod` or `apply Service`. */
  readonly step: string
}

export interface SimOperatorOptions {
  readonly cluster: SimCluster<SimNode>
  readonly name: string
  readonly image: string
  /** Without, what has no namespace is forbidden to it. */
  readonly watchNodes: boolean
  readonly faults: Partial<Faults>
  readonly adminFaults: AdminFaults
  readonly onAsk: (ask: Ask) => void
  /** The answer to a step has come, and nothing has been made of it yet: the moment to be killed in. */
  readonly onDone: (step: string) => void
  readonly onLost: () => void
  readonly log?: Log | undefined
}

const TOKEN_KEY = 'k'.repeat(32)
/** Their registry is heavy, and no run looks at it. */
const metrics = new OperatorMetrics()

export class SimOperator {
  readonly name: string
  isDead = false
  private readonly options: SimOperatorOptions
  private readonly clients: readonly SimKube[]
  private readonly admin: SimNodeAdmin
  private operator: Operator | undefined

  constructor(options: SimOperatorOptions) {
    const { cluster, name, faults, adminFaults, image, watchNodes, log = SILENT } = options
    this.options = options
    this.name = name
    const main = cluster.client(faults)
    const leases = cluster.client(faults)
    leases.timeoutMs = LEASE_REQUEST_TIMEOUT_MS
    this.clients = [main, leases]
    for (const client of this.clients) client.name = name
    this.admin = new SimNodeAdmin(cluster)
    this.admin.faults = adminFaults
    const { random } = cluster.scheduler
    const clock = this.mortalClock(cluster.scheduler.clock(1, Math.round(random.between(-1000, 1000))))
    const world: World = { kube: this.mortal(main), clock, random: random.next, log }
    const settings: OperatorSettings = {
      namespaces: [],
      image,
      clusterDomain: 'cluster.local',
      podTemplateGrants: new Set(),
      leaseNamespace: 'system',
      leaseName: 'operator',
      identity: name,
      workers: 2,
      watchNodes,
    }
    void discover(world).then((facts) => {
      const parts = {
        world,
        leases: this.mortal(leases),
        admin: this.mortal<NodeAdmin>(this.admin),
        metrics,
        tokenKey: TOKEN_KEY,
        onLost: () => options.onLost(),
      }
      this.operator = new Operator(parts, settings, facts)
      this.operator.start()
    })
  }

  get isLeading(): boolean {
    return !this.isDead && this.operator?.isLeading === true
  }

  setFaults(faults: Faults, adminFaults: AdminFaults): void {
    for (const client of this.clients) client.faults = faults
    this.admin.faults = adminFaults
  }

  /** SIGKILL. */
  kill(): void {
    this.isDead = true
    for (const client of this.clients) client.breakWatches()
  }

  private mortalClock(clock: Clock): Clock {
    return {
      nowMs: clock.nowMs,
      wallMs: clock.wallMs,
      after: (delayMs, run) =>
        clock.after(delayMs, () => {
          if (!this.isDead) run()
        }),
    }
  }

  /** Calls go through while it lives; what comes back afterwards is heard by nobody. */
  private mortal<T extends Kube | NodeAdmin>(port: T): T {
    return new Proxy(port, {
      get: (target, verb: string) => {
        const call = (target as unknown as Record<string, unknown>)[verb]
        if (typeof call !== 'function') return call
        return (...args: unknown[]) => this.pass(verb, args, (given) => Reflect.apply(call, target, given) as Promise<unknown>)
      },
    })
  }

  private pass(verb: string, args: unknown[], call: (args: unknown[]) => Promise<unknown>): Promise<unknown> {
    if (this.isDead) return new Promise(() => {})
    const { kind } = (args[0] ?? {}) as { kind?: string }
    if (!this.options.watchNodes && (kind === 'Node' || kind === 'PersistentVolume')) {
      return Promise.reject(new KubeError({ verb, resource: kind }, { status: 403, reason: 'Forbidden', message: 'not its business' }))
    }
    const step = stepOf(verb, args)
    if (step !== undefined)
      this.options.onAsk({ verb, resource: typeof args[0] === 'string' ? undefined : (args[0] as Resource), args, step })
    const given = verb === 'watch' ? [args[0], args[1], this.whileAlive(args[2] as (event: unknown) => void)] : args
    return new Promise((resolve, reject) => {
      call(given).then(
        (answer) => {
          if (!this.isDead && step !== undefined) this.options.onDone(step)
          if (!this.isDead) resolve(answer)
        },
        (error: unknown) => {
          if (!this.isDead) reject(error as Error)
        },
      )
    })
  }

  private whileAlive(onEvent: (event: unknown) => void): (event: unknown) => void {
    return (event) => {
      if (!this.isDead) onEvent(event)
    }
  }
}

/** Every step that an operator can be killed after. */
export const STEPS = [
  'create ConfigMap',
  'fill slots',
  'name epoch',
  'put topology',
  'mark claim',
  'set volume aside',
  'write status',
  'write memory status',
  'limit memory',
  'lift memory limit',
  'adjust StatefulSet',
  'set finalizer',
  'apply ServiceAccount',
  'apply Secret',
  'apply Service',
  'apply PodDisruptionBudget',
  'apply StatefulSet',
  'grow claim',
  'orphan StatefulSet',
  'restart pod',
  'remove pod',
  'delete PersistentVolumeClaim',
  'delete StatefulSet',
  'delete PodDisruptionBudget',
  'delete Service',
  'delete ConfigMap',
] as const

/** Undefined: it changes nothing, or nothing that matters (leases, events). */
function stepOf(verb: string, args: readonly unknown[]): string | undefined {
  if (verb === 'putTopology') return 'put topology'
  if (verb === 'setVolumeAside') return 'set volume aside'
  if (verb === 'evict') return 'restart pod'
  const { kind } = (args[0] ?? {}) as { kind?: string }
  if (kind === 'Lease' || kind === 'Event') return undefined
  switch (verb) {
    case 'create':
      return `create ${kind}`
    case 'apply':
      return `apply ${(args[1] as KubeObject).kind}`
    case 'applyStatus':
      return kind === 'MemoryGroup' ? 'write memory status' : 'write status'
    case 'patch':
      return patchStep(kind, args[2] as MergePatch)
    case 'delete':
      return deleteStep(kind, (args[2] ?? {}) as { propagation?: string; gracePeriodSeconds?: number })
    default:
      return undefined
  }
}

function patchStep(kind: string | undefined, { data, metadata }: MergePatch): string {
  if (kind === 'ConfigMap') return configMapStep((data ?? {}) as Readonly<Record<string, string | null>>)
  if (kind === 'StatefulSet') return 'adjust StatefulSet'
  if (kind === 'PersistentVolumeClaim') return metadata === undefined ? 'grow claim' : 'mark claim'
  return 'set finalizer'
}

function configMapStep({ volumes, memoryLimit }: Readonly<Record<string, string | null>>): string {
  if (memoryLimit !== undefined) return memoryLimit === null ? 'lift memory limit' : 'limit memory'
  return volumes === undefined ? 'name epoch' : 'fill slots'
}

function deleteStep(kind: string | undefined, options: { propagation?: string; gracePeriodSeconds?: number }): string {
  if (kind === 'Pod') return options.gracePeriodSeconds === 0 ? 'remove pod' : 'restart pod'
  return options.propagation === 'Orphan' ? 'orphan StatefulSet' : `delete ${kind}`
}
