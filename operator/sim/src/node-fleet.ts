/** The machines: where pods may run, which are reached, and what the node controllers do about those that are not. */
import type { KubeObject } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import { type Condition, conditionOf, isReady, withCondition } from './pod-status.ts'
import type { Scheduler } from './scheduler.ts'
import type { Store } from './store.ts'

/** Silent for so long, a node counts as not ready; for as long again and more, its pods are deleted. */
const NOT_READY_AFTER_MS = 40_000
const EVICT_AFTER_MS = 300_000
export const ZONE_LABEL = 'topology.kubernetes.io/zone'

export class NodeFleet {
  private readonly store: Store
  private readonly scheduler: Scheduler
  /** Node → since when nobody hears of it. */
  private readonly dark = new Map<string, number>()

  constructor(store: Store, scheduler: Scheduler) {
    this.store = store
    this.scheduler = scheduler
  }

  add(name: string, zone: string): void {
    const labels = { [ZONE_LABEL]: zone, 'kubernetes.io/hostname': name }
    this.store.create(RESOURCES.nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {} })
    this.setReady(name, true)
  }

  lose(name: string): void {
    if (!this.dark.has(name)) this.dark.set(name, this.scheduler.nowMs)
  }

  restore(name: string): void {
    this.dark.delete(name)
    if (this.store.get(RESOURCES.nodes, { name }) !== undefined) this.setReady(name, true)
  }

  /** The machine is gone, and its Node object with it. */
  remove(name: string): void {
    this.lose(name)
    this.store.delete(RESOURCES.nodes, { name })
  }

  cordon(name: string, unschedulable = true): void {
    this.store.amend(RESOURCES.nodes, { name }, { spec: { unschedulable } })
  }

  isReachable(name: string): boolean {
    return !this.dark.has(name) && this.store.get(RESOURCES.nodes, { name }) !== undefined
  }

  /** Where a pod may run: on one of the pins if there are any; else where its zone and then its node has the fewest pods like it. */
  choose(pod: KubeObject, pins: ReadonlySet<string>): string | undefined {
    if (pins.size > 1) return undefined
    const nodes = this.store.all(RESOURCES.nodes).filter((node) => {
      const { unschedulable = false } = (node.spec ?? {}) as { unschedulable?: boolean }
      const isUsable = conditionOf(node, 'Ready')?.status === 'True' && !unschedulable && this.isReachable(node.metadata.name)
      return isUsable && (pins.size === 0 || pins.has(node.metadata.name))
    })
    const pods = this.store.all(RESOURCES.pods)
    const owner = ownerOf(pod)
    const zones = new Map(this.store.all(RESOURCES.nodes).map(({ metadata }) => [metadata.name, zoneOf(metadata.labels)]))
    const nodeOf = ({ spec }: KubeObject): string => (spec as { nodeName?: string }).nodeName ?? ''
    const cost = ({ metadata: { name } }: KubeObject): number => {
      const alike = pods.filter((one) => ownerOf(one) === owner && nodeOf(one) !== '')
      const inZone = alike.filter((one) => zones.get(nodeOf(one)) === zones.get(name)).length
      const onNode = alike.filter((one) => nodeOf(one) === name).length
      return inZone * 1e6 + onNode * 1e3 + pods.filter((one) => nodeOf(one) === name).length
    }
    const [best] = nodes.map((node) => ({ node, cost: cost(node) })).sort((a, b) => a.cost - b.cost)
    return best?.node.metadata.name
  }

  /** What the node lifecycle controller and the pod garbage collector do. */
  tick(): void {
    for (const [name, sinceMs] of this.dark) {
      const silentMs = this.scheduler.nowMs - sinceMs
      if (silentMs < NOT_READY_AFTER_MS) continue
      const isThere = this.store.get(RESOURCES.nodes, { name }) !== undefined
      if (isThere) this.setReady(name, false)
      for (const pod of this.store.all(RESOURCES.pods)) {
        if ((pod.spec as { nodeName?: string }).nodeName !== name) continue
        if (!isThere) this.store.delete(RESOURCES.pods, pod.metadata, { gracePeriodSeconds: 0 })
        else if (isReady(pod)) this.setPodUnready(pod)
        else if (silentMs >= EVICT_AFTER_MS && pod.metadata.deletionTimestamp === undefined) this.store.delete(RESOURCES.pods, pod.metadata)
      }
    }
  }

  private setReady(name: string, isNodeReady: boolean): void {
    const node = this.store.get(RESOURCES.nodes, { name })
    const { conditions = [] } = (node?.status ?? {}) as { conditions?: Condition[] }
    const ready = { type: 'Ready', status: isNodeReady ? 'True' : 'Unknown', lastTransitionTime: this.now() }
    this.store.amend(RESOURCES.nodes, { name }, { status: { conditions: withCondition(conditions, ready) } }, 'status')
    const taints = isNodeReady ? null : [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }]
    this.store.amend(RESOURCES.nodes, { name }, { spec: { taints } })
  }

  private setPodUnready(pod: KubeObject): void {
    const { conditions = [] } = pod.status as { conditions?: Condition[] }
    const ready = { type: 'Ready', status: 'False', reason: 'NodeNotReady', lastTransitionTime: this.now() }
    this.store.amend(RESOURCES.pods, pod.metadata, { status: { conditions: withCondition(conditions, ready) } }, 'status')
  }

  private now(): string {
    return new Date(this.scheduler.wallMs).toISOString()
  }
}

const zoneOf = (labels: Readonly<Record<string, string>> | undefined): string => labels?.[ZONE_LABEL] ?? ''
const ownerOf = ({ metadata }: KubeObject): string | undefined => metadata.ownerReferences?.find(({ controller }) => controller)?.uid
