/** The controller of MemoryGroups: a queue of keys of its own, and workers. It runs only on the operator that leads. */
import { MEMORY_GROUP_KIND } from '../../api/crd.ts'
import { MEMORY } from '../../api/names.ts'
import { atOfKey, keyOf, Workers } from '../../runtime/mod.ts'
import type { ReconcileContext } from '../context.ts'
import { DefinitionCheck } from '../definition-check.ts'
import { memoryGroupsOf, referenceKeyOf } from '../memory-groups.ts'
import { haveMemorySynced, haveSynced, MEMORY_GROUPS, resourceKeyOf } from '../watches.ts'
import { reconcileMemoryGroup } from './reconcile.ts'

const KIND = MEMORY_GROUP_KIND.names.kind
const SYNC_POLL_MS = 100

export class MemoryGroupController {
  private readonly context: ReconcileContext
  private readonly workers: Workers
  private readonly definition: DefinitionCheck
  private isStopped = false

  constructor(context: ReconcileContext, workers: number) {
    this.context = context
    this.definition = new DefinitionCheck(context, context.metrics, MEMORY_GROUP_KIND, MEMORY_GROUPS)
    this.workers = new Workers(context, {
      name: KIND,
      workers,
      reconcile: (key) => reconcileMemoryGroup(context, key),
      onPass: (result, tookMs) => context.metrics.reconciled(KIND, result, tookMs),
    })
    context.metrics.watchQueue(KIND, () => this.workers.queue.depth)
    this.subscribe()
  }

  private subscribe(): void {
    const { watches } = this.context
    const add = (key: string): void => this.workers.add(key)
    // Of several that name one cluster another may serve it now.
    const addAllOf = (served: string): void => {
      for (const { metadata } of memoryGroupsOf(watches, atOfKey(served))) this.workers.add(keyOf(metadata))
    }
    for (const informer of watches.memoryGroups) {
      informer.subscribe(({ metadata }) => keyOf(metadata), add)
      informer.subscribe(referenceKeyOf, addAllOf)
    }
    // How many groups it has, and the epoch of its topology.
    for (const informer of watches.paxosGroups) informer.subscribe(({ metadata }) => keyOf(metadata), addAllOf)
    const owned = [watches.statefulSets, watches.memoryPods, watches.services, watches.serviceAccounts, watches.budgets]
    for (const informer of owned.flat()) informer.subscribe(resourceKeyOf(MEMORY), add)
  }

  /** Begins to work once the caches are whole: what is missing from half a cache is not gone. */
  async start(): Promise<void> {
    const { clock, watches } = this.context
    this.definition.start()
    const isWhole = (): boolean => haveSynced(watches) && haveMemorySynced(watches)
    while (!this.isStopped && !isWhole()) await new Promise<void>((resolve) => void clock.after(SYNC_POLL_MS, resolve))
    if (!this.isStopped) this.workers.start()
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.definition.stop()
    await this.workers.stop()
  }
}
