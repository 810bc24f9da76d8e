/**
 * Leader election on a `coordination.k8s.io/v1` Lease: reads it, decides (`lease-decision.ts`), writes by compare-and-set.
 *
 * Invariant: `isLeading` is false from `renewDeadlineMs` after the last successful renewal was sent, whatever the network or
 * the event loop does; whoever acts on it re-reads it. Leadership once lost does not come back: `onLost` ends the process.
 */
import { isConflict, isNotFound, KubeError } from './kube-error.ts'
import { checkBounds, decideLease, LEASE_BOUNDS, type LeaseBounds, type LeaseView, type Observation, observe } from './lease-decision.ts'
import type { Kube, KubeObject, World } from './ports.ts'
import { RESOURCES } from './resources.ts'
import { sleep } from './sleep.ts'

/** The world's `kube` needs a time-out of its own, LEASE_REQUEST_TIMEOUT_MS: one request that hangs must not cost the lease. */
export interface ElectorOptions {
  readonly lease: { readonly namespace: string; readonly name: string }
  /** Unique to this process: the host's name and something random. */
  readonly identity: string
  readonly bounds?: LeaseBounds
  readonly onLeading: () => void
  /** The process has to end: somebody else may lead. */
  readonly onLost: (reason: string) => void
}

export class Elector {
  private readonly world: World
  private readonly options: ElectorOptions
  private readonly bounds: LeaseBounds
  private readonly stopping = new AbortController()
  private running: Promise<void> | undefined
  private observation: Observation | undefined
  /** Set while leading: until when. */
  private leadsUntilMs: number | undefined
  private hasLost = false
  private cancelDeadline = (): void => {}

  constructor(world: World, options: ElectorOptions) {
    this.world = world
    this.options = options
    this.bounds = options.bounds ?? LEASE_BOUNDS
    checkBounds(this.bounds)
  }

  get isLeading(): boolean {
    return this.leadsUntilMs !== undefined && !this.hasLost && this.world.clock.nowMs() < this.leadsUntilMs
  }

  start(): void {
    this.running ??= this.run()
  }

  /** After everything that acts as the leader has ended: gives the Lease back, so that another need not wait. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
    if (!this.isLeading) return
    this.cancelDeadline()
    this.leadsUntilMs = undefined
    try {
      await this.release()
    } catch (error) {
      this.world.log.warn({ error: String(error) }, 'the lease was not released; it runs out by itself')
    }
  }

  private async run(): Promise<void> {
    const { clock, random, log } = this.world
    const { signal } = this.stopping
    while (!signal.aborted && !this.hasLost) {
      try {
        await this.attempt()
      } catch (error) {
        if (!(error instanceof KubeError)) throw error
        // A conflict is the ordinary way to learn that another was faster.
        if (!isConflict(error)) log.warn({ error: String(error) }, 'lease: an attempt failed')
      }
      // Candidates that saw a lease expire together don't all write together.
      await sleep(clock, this.bounds.retryMs * (1 - random() / 4), signal)
    }
  }

  private async attempt(): Promise<void> {
    const { kube, clock } = this.world
    const { lease, identity } = this.options
    const found = await kube.get(RESOURCES.leases, lease)
    const nowMs = clock.nowMs()
    if (this.hasLost || this.stopping.signal.aborted) return
    const seen = found === undefined ? undefined : viewOf(found)
    this.observation = seen === undefined ? undefined : observe(this.observation, seen, nowMs)
    const isLeading = this.leadsUntilMs !== undefined
    const action = decideLease({ identity, isLeading, seen, observation: this.observation, nowMs })
    switch (action.act) {
      case 'wait':
        return
      case 'lost':
        this.lose(`the lease is held by ${action.holder}`)
        return
      case 'create':
        await kube.create(RESOURCES.leases, this.leaseObject(0))
        break
      case 'take':
      case 'renew':
        await this.write(kube, action)
        break
    }
    // Counted from before the write, so that others, who count from when they see it, wait longer.
    this.lead(nowMs)
  }

  private async write(kube: Kube, action: { resourceVersion: string; transitions: number; act: 'take' | 'renew' }): Promise<void> {
    const { spec } = this.leaseObject(action.transitions) as { spec?: Record<string, unknown> }
    if (action.act === 'renew') delete spec?.acquireTime
    await kube.patch(RESOURCES.leases, this.options.lease, { metadata: { resourceVersion: action.resourceVersion }, spec })
  }

  private lead(sentMs: number): void {
    const { clock, log } = this.world
    if (this.hasLost) return
    const untilMs = sentMs + this.bounds.renewDeadlineMs
    // An answer that took longer than the deadline is no leadership.
    if (clock.nowMs() >= untilMs) return
    const isNew = this.leadsUntilMs === undefined
    this.leadsUntilMs = untilMs
    this.cancelDeadline()
    this.cancelDeadline = clock.after(untilMs - clock.nowMs(), () =>
      this.lose(`the lease was not renewed within ${this.bounds.renewDeadlineMs} ms`),
    )
    if (!isNew) return
    log.info({ identity: this.options.identity }, 'leading')
    this.options.onLeading()
  }

  private lose(reason: string): void {
    if (this.hasLost) return
    this.hasLost = true
    this.cancelDeadline()
    this.world.log.error({ reason }, 'no longer leading')
    this.options.onLost(reason)
  }

  private async release(): Promise<void> {
    const { kube, clock } = this.world
    const found = await kube.get(RESOURCES.leases, this.options.lease)
    if (found === undefined || viewOf(found).holder !== this.options.identity) return
    const metadata = { resourceVersion: found.metadata.resourceVersion }
    try {
      await kube.patch(RESOURCES.leases, this.options.lease, {
        metadata,
        spec: { holderIdentity: '', renewTime: microTime(clock.wallMs()) },
      })
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error
    }
  }

  private leaseObject(leaseTransitions: number): KubeObject {
    const now = microTime(this.world.clock.wallMs())
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...this.options.lease },
      spec: {
        holderIdentity: this.options.identity,
        leaseDurationSeconds: Math.ceil(this.bounds.durationMs / 1000),
        acquireTime: now,
        renewTime: now,
        leaseTransitions,
      },
    }
  }
}

/** Kubernetes' MicroTime. */
export const microTime = (wallMs: number): string => new Date(wallMs).toISOString().replace('Z', '000Z')

function viewOf({ metadata, spec }: KubeObject): LeaseView {
  const { holderIdentity, leaseDurationSeconds, renewTime, leaseTransitions } = (spec ?? {}) as Partial<Record<string, unknown>>
  return {
    holder: typeof holderIdentity === 'string' ? holderIdentity : '',
    durationMs: typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds * 1000 : LEASE_BOUNDS.durationMs,
    renewTime: typeof renewTime === 'string' ? renewTime : '',
    transitions: typeof leaseTransitions === 'number' ? leaseTransitions : 0,
    resourceVersion: metadata.resourceVersion ?? '',
  }
}
