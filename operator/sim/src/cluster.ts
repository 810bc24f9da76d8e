/**
 * A simulated Kubernetes cluster: a store, clients to it, nodes, and the controllers that turn StatefulSets into pods. One
 * seed, one run. What runs in the pods is handed in.
 */
import type { ObjectAt, World } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import type { Faults } from './faults.ts'
import { collectGarbage } from './garbage-collector.ts'
import { KUBELET_TIMES, Kubelets, type KubeletTimes } from './kubelet.ts'
import { NodeFleet } from './node-fleet.ts'
import type { PodProcess, StartProcess } from './pod-process.ts'
import { Scheduler } from './scheduler.ts'
import { SimKube } from './sim-kube.ts'
import { runStatefulSets } from './stateful-sets.ts'
import { Store } from './store.ts'

const TICK_MS = 500

export interface SimClusterOptions<P extends PodProcess> {
  readonly seed: number
  readonly start: StartProcess<P>
  /** Node → zone. */
  readonly nodes?: Readonly<Record<string, string>>
  readonly namespaces?: readonly string[]
  readonly times?: KubeletTimes
}

export class SimCluster<P extends PodProcess> {
  readonly scheduler: Scheduler
  readonly store: Store
  readonly fleet: NodeFleet
  readonly kubelets: Kubelets<P>
  private readonly clients: SimKube[] = []
  private awayUntilMs = 0
  private readonly ends: (() => void)[]

  constructor({ seed, start, nodes = {}, namespaces = ['default'], times = KUBELET_TIMES }: SimClusterOptions<P>) {
    this.scheduler = new Scheduler(seed)
    this.store = new Store(this.scheduler)
    this.fleet = new NodeFleet(this.store, this.scheduler)
    const { scheduler, store, fleet } = this
    this.kubelets = new Kubelets({ store, scheduler, fleet, start, times })
    for (const name of namespaces) store.create(RESOURCES.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    for (const [name, zone] of Object.entries(nodes)) fleet.add(name, zone)
    // Each at its own pace, as in the real world.
    this.ends = [
      scheduler.every(TICK_MS, this.onChange(runStatefulSets)),
      scheduler.every(TICK_MS, () => this.kubelets.tick()),
      scheduler.every(TICK_MS, () => fleet.tick()),
      scheduler.every(TICK_MS * 2, this.onChange(collectGarbage)),
    ]
  }

  /** A controller that looks at objects only has nothing to do while they are as it last saw and left them. */
  private onChange(run: (store: Store) => void): () => void {
    let seen = -1
    return () => {
      if (this.store.revision === seen) return
      seen = this.store.revision
      run(this.store)
    }
  }

  /** A new client, for one operator. */
  client(faults: Partial<Faults> = {}): SimKube {
    const client = new SimKube(this.store, this.scheduler, faults)
    if (this.scheduler.nowMs < this.awayUntilMs) client.cut()
    this.clients.push(client)
    return client
  }

  /** What a part of the runtime is handed; its clock may run at a rate of its own. */
  world(kube: SimKube = this.client(), clock = this.scheduler.clock()): World {
    return { kube, clock, random: this.scheduler.random.next, log: SILENT }
  }

  /** The API server is away for all clients, and back for all. */
  serverAway(forMs: number): void {
    this.awayUntilMs = Math.max(this.awayUntilMs, this.scheduler.nowMs + forMs)
    for (const client of this.clients) client.cut()
    this.scheduler.after(forMs, () => {
      if (this.scheduler.nowMs >= this.awayUntilMs) for (const client of this.clients) client.mend()
    })
  }

  /** Its power is cut: what runs there ends without warning. */
  loseNode(name: string): void {
    this.fleet.lose(name)
    this.kubelets.losePower(name)
  }

  /** Nobody reaches it, and it reaches nobody; what runs there goes on, even what the API has forgotten. */
  isolateNode(name: string): void {
    this.fleet.lose(name)
  }

  /** After either. */
  restoreNode(name: string): void {
    this.fleet.restore(name)
  }

  processOf(at: ObjectAt): P | undefined {
    return this.kubelets.processOf(at)
  }

  run(forMs: number, isDone?: () => boolean): Promise<void> {
    return this.scheduler.run(forMs, isDone)
  }

  /** Nothing of the cluster itself happens any more. */
  stop(): void {
    for (const end of this.ends) end()
  }
}

export const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
