/**
 * What all controllers share: a queue of keys of one kind, workers that reconcile them once the caches are whole, and a look at
 * the kind's definition. It runs only on the operator that leads.
 */
import type { Kind } from '../api/crd.ts'
import { type Outcome, type Resource, Workers } from '../runtime/mod.ts'
import type { ReconcileContext } from './context.ts'
import { DefinitionCheck } from './definition-check.ts'

const SYNC_POLL_MS = 100

export interface ControllerOptions {
  readonly definition: Kind
  readonly resource: Resource
  readonly workers: number
  /** Whether the caches that a pass reads are whole. */
  readonly hasSynced: () => boolean
  readonly reconcile: (key: string) => Promise<Outcome>
}

export class Controller {
  private readonly context: ReconcileContext
  private readonly options: ControllerOptions
  private readonly workers: Workers
  private readonly definition: DefinitionCheck
  private isStopped = false

  constructor(context: ReconcileContext, options: ControllerOptions) {
    const { metrics } = context
    const { kind } = options.resource
    this.context = context
    this.options = options
    this.definition = new DefinitionCheck(context, metrics, options.definition, options.resource)
    this.workers = new Workers(context, {
      name: kind,
      workers: options.workers,
      reconcile: options.reconcile,
      onPass: (result, tookMs) => metrics.reconciled(kind, result, tookMs),
    })
    metrics.watchQueue(kind, () => this.workers.queue.depth)
  }

  /** Has the resource with this key reconciled, soon. */
  readonly add = (key: string): void => this.workers.add(key)

  /** Begins to work once the caches are whole: what is missing from half a cache is not gone. */
  async start(): Promise<void> {
    const { clock, log } = this.context
    this.definition.start()
    while (!this.isStopped && !this.options.hasSynced()) await new Promise<void>((resolve) => void clock.after(SYNC_POLL_MS, resolve))
    if (this.isStopped) return
    log.info({ kind: this.options.resource.kind }, 'the caches are whole; reconciling')
    this.workers.start()
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.definition.stop()
    await this.workers.stop()
  }
}
