/**
 * All simulated nodes: who reaches whom, who votes, and since when no more. This is the truth that the operator's doings are
 * judged by, and that it never sees.
 */
import type { Topology } from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import { adminSecretName, LABELS, MEMORY } from '../../src/api/names.ts'
import type { KubeObject } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import { TOKEN_KEY } from '../../src/specs/pod.ts'
import type { SimCluster } from './cluster.ts'
import { MemoryMachine } from './memory-machine.ts'
import type { Start } from './pod-process.ts'
import type { SimNode } from './sim-node.ts'
import { ThermoclineNode } from './thermocline-node.ts'

const TICK_MS = 500

export interface TierEvents {
  onInstalled(node: ThermoclineNode, topology: Topology): void
  onBecameVoter(node: ThermoclineNode): void
}

/** Of a slot: does it vote, and when did it last. */
export interface Vote {
  votes: boolean
  lastMs: number
}

export class StorageTier {
  events: TierEvents | undefined
  private cluster: SimCluster<SimNode> | undefined
  private readonly running = new Set<ThermoclineNode>()
  /** Memory nodes that run. */
  readonly machines = new Set<MemoryMachine>()
  /** By namespace/pod name. */
  private readonly votes = new Map<string, Vote>()

  /** The cluster whose pods run nodes of this tier. */
  attach(cluster: SimCluster<SimNode>): void {
    this.cluster = cluster
    cluster.scheduler.every(TICK_MS, () => this.tick())
  }

  readonly start = (start: Start): SimNode => {
    if (start.pod.metadata.labels?.[LABELS.component] === MEMORY) {
      const machine = new MemoryMachine(this, start)
      this.machines.add(machine)
      return machine
    }
    const node = new ThermoclineNode(this, start)
    this.running.add(node)
    return node
  }

  get nowMs(): number {
    return this.attached.scheduler.nowMs
  }

  get random(): Random {
    return this.attached.scheduler.random
  }

  private get attached(): SimCluster<SimNode> {
    if (this.cluster === undefined) throw new Error('attach a cluster first')
    return this.cluster
  }

  /** In the Secret that is mounted; undefined without one. */
  tokenOf({ metadata }: KubeObject): string | undefined {
    const name = adminSecretName(metadata.labels?.[LABELS.instance] ?? '')
    const secret = this.attached.store.get(RESOURCES.secrets, { namespace: metadata.namespace, name })
    const token = (secret?.data as Record<string, string> | undefined)?.[TOKEN_KEY]
    return token === undefined ? undefined : atob(token)
  }

  forget(node: ThermoclineNode): void {
    this.running.delete(node)
    this.changed()
  }

  forgetMachine(machine: MemoryMachine): void {
    this.machines.delete(machine)
  }

  installed(node: ThermoclineNode, topology: Topology): void {
    this.events?.onInstalled(node, topology)
  }

  becameVoter(node: ThermoclineNode): void {
    this.events?.onBecameVoter(node)
  }

  /** Those of its group that vote and can be reached from it. */
  votersOf({ identity: { clusterId, group }, start }: ThermoclineNode): ThermoclineNode[] {
    if (!this.isReachable(start.node)) return []
    return [...this.running].filter(
      (one) => one.votes && one.identity.clusterId === clusterId && one.identity.group === group && this.isReachable(one.start.node),
    )
  }

  isReachable(node: string): boolean {
    return this.attached.fleet.isReachable(node)
  }

  nodes(): ThermoclineNode[] {
    return [...this.running]
  }

  /** By pod name; of a slot that never voted: never. */
  voteOf(namespace: string, podName: string): Vote {
    return this.votes.get(`${namespace}/${podName}`) ?? { votes: false, lastMs: Number.NEGATIVE_INFINITY }
  }

  /** Some node began to vote, or ceased. */
  changed(): void {
    const { nowMs } = this
    const voting = new Set<string>()
    for (const node of this.running) {
      if (node.votes && this.isReachable(node.start.node)) voting.add(`${node.namespace}/${node.podName}`)
    }
    for (const [slot, vote] of this.votes) {
      if (vote.votes) vote.lastMs = nowMs
      vote.votes = voting.has(slot)
    }
    for (const slot of voting) {
      const vote = this.votes.get(slot)
      if (vote === undefined) this.votes.set(slot, { votes: true, lastMs: nowMs })
      else vote.lastMs = nowMs
    }
  }

  private tick(): void {
    for (const node of this.running) node.tick(TICK_MS)
    this.changed()
  }
}
