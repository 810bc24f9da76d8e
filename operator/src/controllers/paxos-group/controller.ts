/** The controller of PaxosGroups: watches, a queue of keys, workers. It runs only on the operator that leads. */
import { PAXOS_GROUP_KIND } from '../../api/crd.ts'
import { API_GROUP, API_VERSION, STORAGE } from '../../api/names.ts'
import { type KubeObject, keyOf, Workers } from '../../runtime/mod.ts'
import type { ReconcileContext } from '../context.ts'
import { DefinitionCheck } from '../definition-check.ts'
import { referenceKeyOf } from '../memory-groups.ts'
import { isReadyNode } from '../views.ts'
import { haveSynced, PAXOS_GROUPS, resourceKeyOf, servedKeyOf } from '../watches.ts'
import { reconcile } from './reconcile.ts'

const KIND = 'PaxosGroup'
const SYNC_POLL_MS = 100

export class PaxosGroupController {
  private readonly context: ReconcileContext
  private readonly workers: Workers
  /** Of each node, what it was when it last mattered. */
  private readonly nodes = new Map<string, string>()
  private readonly definition: DefinitionCheck
  private isStopped = false

  constructor(context: ReconcileContext, workers: number) {
    this.context = context
    this.definition = new DefinitionCheck(context, context.metrics, PAXOS_GROUP_KIND, PAXOS_GROUPS)
    this.workers = new Workers(context, {
      name: KIND,
      workers,
      reconcile: (key) => reconcile(context, key),
      onPass: (result, tookMs) => context.metrics.reconciled(KIND, result, tookMs),
    })
    context.metrics.watchQueue(KIND, () => this.workers.queue.depth)
    this.subscribe()
  }

  private subscribe(): void {
    const { watches } = this.context
    const add = (key: string): void => this.workers.add(key)
    for (const informer of watches.paxosGroups) informer.subscribe(({ metadata }: KubeObject) => keyOf(metadata), add)
    const owned = [watches.statefulSets, watches.pods, watches.claims, watches.services, watches.serviceAccounts, watches.budgets]
    for (const informer of owned.flat()) informer.subscribe(resourceKeyOf(STORAGE), add)
    // What is cached of it is in its topology.
    for (const informer of watches.memoryGroups) informer.subscribe(referenceKeyOf, add)
    for (const informer of watches.memoryPods) informer.subscribe(servedKeyOf, add)
    watches.nodes?.subscribe(
      ({ metadata }) => metadata.name,
      (name) => this.noteNode(name),
    )
  }

  /** A node that comes or goes may concern every resource. Kubelets write their nodes every few seconds; that alone is no news. */
  private noteNode(name: string): void {
    const node = this.context.watches.nodes?.get({ name })
    const now = node === undefined ? 'gone' : String(isReadyNode(node))
    if (this.nodes.get(name) === now) return
    this.nodes.set(name, now)
    this.addAll()
  }

  private addAll(): void {
    for (const informer of this.context.watches.paxosGroups) for (const { metadata } of informer.all()) this.workers.add(keyOf(metadata))
  }

  /** Begins to work once the caches are whole: what is missing from half a cache is not gone. */
  async start(): Promise<void> {
    const { clock, log, watches } = this.context
    this.definition.start()
    while (!this.isStopped && !haveSynced(watches)) await new Promise<void>((resolve) => void clock.after(SYNC_POLL_MS, resolve))
    if (this.isStopped) return
    log.info({ api: `${API_GROUP}/${API_VERSION}` }, 'the caches are whole; reconciling')
    this.workers.start()
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.definition.stop()
    await this.workers.stop()
  }
}
