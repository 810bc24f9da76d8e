/**
 * One operator: candidates for the Lease, watches, the controllers of the kinds. Everything that it touches is handed in, so that
 * the program and the simulator run the very same.
 */
import type { NodeAdmin } from './cluster-admin/node-admin.ts'
import type { OperatorConfig } from './config.ts'
import type { ReconcileContext } from './controllers/context.ts'
import type { Controller } from './controllers/controller.ts'
import { memoryGroupController } from './controllers/memory-group/controller.ts'
import { paxosGroupController } from './controllers/paxos-group/controller.ts'
import { allInformers, makeWatches } from './controllers/watches.ts'
import {
  Applier,
  Elector,
  EventRecorder,
  type Informer,
  type Kube,
  podDisruptionBudgetsOf,
  RESOURCES,
  randomHex,
  resourceName,
  type ServerFacts,
  type World,
} from './runtime/mod.ts'
import type { OperatorMetrics } from './telemetry/metrics.ts'

const COMPONENT = 'thermocline-operator'
const IDENTITY_DIGITS = 8
/** The server is asked what it is; until it answers nothing can begin. */
const DISCOVER_AGAIN_MS = 2000

export type OperatorSettings = Pick<
  OperatorConfig,
  'namespaces' | 'image' | 'clusterDomain' | 'podTemplateGrants' | 'leaseNamespace' | 'leaseName' | 'identity' | 'workers' | 'watchNodes'
>

export interface OperatorParts {
  readonly world: World
  /** Of its own, with LEASE_REQUEST_TIMEOUT_MS: requests that wait long must not hold up a renewal. */
  readonly leases: Kube
  readonly admin: NodeAdmin
  readonly metrics: OperatorMetrics
  /** What admin tokens are made with. */
  readonly tokenKey: string
  /** The process has to end: another operator may lead. */
  readonly onLost: (reason: string) => void
}

export class Operator {
  private readonly controllers: readonly Controller[]
  private readonly informers: readonly Informer[]
  private readonly events: EventRecorder
  private readonly elector: Elector

  constructor({ world, leases, admin, metrics, tokenKey, onLost }: OperatorParts, settings: OperatorSettings, facts: ServerFacts) {
    const { kube, log, random } = world
    const budgets = podDisruptionBudgetsOf(facts)
    this.events = new EventRecorder(world, { component: COMPONENT, instance: settings.identity })
    const watches = makeWatches(world, {
      namespaces: settings.namespaces,
      canSeeNodes: settings.watchNodes,
      budgets,
      onRestart: (resource) => metrics.watchRestarted(resource),
    })
    this.informers = allInformers(watches)
    const written = [RESOURCES.statefulSets, RESOURCES.services, RESOURCES.serviceAccounts, budgets]
    metrics.expect(new Set(this.informers.map(({ name }) => name)), written.map(resourceName))
    const context: ReconcileContext = {
      ...world,
      watches,
      admin,
      applier: new Applier(kube, log, (resource) => metrics.wrote(resource)),
      events: this.events,
      metrics,
      budgets,
      policyVersion: `policy/${facts.policyVersion}`,
      topologies: new Map(),
      secretsWrittenMs: new Map(),
      tokenKey,
      clusterDomain: settings.clusterDomain,
      defaultImage: settings.image,
      podTemplateGrants: settings.podTemplateGrants,
      isLeading: () => this.elector.isLeading,
    }
    this.controllers = [paxosGroupController(context, settings.workers), memoryGroupController(context, settings.workers)]
    this.elector = new Elector(
      { ...world, kube: leases },
      {
        lease: { namespace: settings.leaseNamespace, name: settings.leaseName },
        // A process that was started again under the same name is another one.
        identity: `${settings.identity}_${randomHex(random, IDENTITY_DIGITS)}`,
        onLeading: () => {
          metrics.setLeader(true)
          log.info({}, 'leads')
          for (const informer of this.informers) informer.start()
          for (const controller of this.controllers) void controller.start()
        },
        onLost,
      },
    )
  }

  get isLeading(): boolean {
    return this.elector.isLeading
  }

  start(): void {
    this.elector.start()
  }

  /** The Lease is given back last: nothing of ours writes any more. */
  async stop(): Promise<void> {
    await Promise.all(this.controllers.map((controller) => controller.stop()))
    await Promise.all(this.informers.map((informer) => informer.stop()))
    await this.events.stop()
    await this.elector.stop()
  }
}

/** Asks until the server answers. */
export async function discover({ kube, clock, log }: World): Promise<ServerFacts> {
  for (;;) {
    try {
      return await kube.discover()
    } catch (error) {
      log.warn({ error: String(error) }, 'the API server does not answer; asked again')
      await new Promise<void>((resolve) => void clock.after(DISCOVER_AGAIN_MS, resolve))
    }
  }
}
