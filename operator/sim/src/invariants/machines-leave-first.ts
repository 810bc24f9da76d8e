/**
 * A memory machine is taken away only when no storage node lists it any more, and only some time after that: clients that were sent
 * there have gone. A node that has not been there for long may have returned with an old topology a moment ago; nobody could know.
 */
import type { Topology } from '@thermocline/protocol'
import { DEFAULT_DATA_PORT } from '@thermocline/protocol'
import { LABELS, MEMORY, machineHostOf } from '../../../src/api/names.ts'
import { MEMORY_GROUPS } from '../../../src/controllers/watches.ts'
import type { KubeObject } from '../../../src/runtime/ports.ts'
import type { Invariant, RunView } from '../invariant.ts'
import type { Change } from '../store.ts'
import type { ThermoclineNode } from '../thermocline-node.ts'
import { Violation } from '../violation.ts'

/** Longer than a watch may be silent, and than silent replicas are waited for. */
const KNOWN_MS = 6 * 60_000
const LEAST_MS = 5000

export class MachinesLeaveFirst implements Invariant {
  readonly name = 'machines-leave-first'
  private readonly view: RunView
  /** What each node listed, and since when it has not listed an address any more. */
  private readonly listed = new Map<ThermoclineNode, ReadonlySet<string>>()
  private readonly unlistedMs = new Map<ThermoclineNode, Map<string, number>>()

  constructor(view: RunView) {
    this.view = view
  }

  onInstalled(node: ThermoclineNode, topology: Topology): void {
    const now = addressesIn(topology)
    for (const address of this.listed.get(node) ?? []) {
      const since = this.unlistedMs.get(node) ?? new Map<string, number>()
      if (!now.has(address)) since.set(address, this.view.tier.nowMs)
      this.unlistedMs.set(node, since)
    }
    this.listed.set(node, now)
  }

  onChange({ resource, before, after, by }: Change): void {
    if (resource !== 'statefulsets.apps' || by === undefined || before === undefined) return
    const { namespace = '', labels = {} } = before.metadata
    const name = labels[LABELS.instance] ?? ''
    if (labels[LABELS.component] !== MEMORY || !this.isWanted(namespace, name)) return
    const isGone = after === undefined || after.metadata.deletionTimestamp !== undefined
    const left = isGone ? 0 : replicasOf(after)
    for (let machine = left; machine < replicasOf(before); machine++) {
      const host = machineHostOf({ name, namespace, clusterDomain: 'cluster.local' }, Number(labels[LABELS.group]), machine)
      this.check(`${host}:${DEFAULT_DATA_PORT}`, by)
    }
  }

  private check(address: string, by: string): void {
    const { nowMs } = this.view.tier
    for (const node of this.view.tier.nodes()) {
      if (!node.votes || nowMs - node.servingSinceMs < KNOWN_MS || !this.view.tier.isReachable(node.start.node)) continue
      const { topology, podName } = node
      if (topology !== undefined && addressesIn(topology).has(address))
        throw new Violation(this.name, `${by} ends ${address}, which ${podName} lists in epoch ${topology.epoch}`)
      const sinceMs = nowMs - (this.unlistedMs.get(node)?.get(address) ?? Number.NEGATIVE_INFINITY)
      if (sinceMs < LEAST_MS) throw new Violation(this.name, `${by} ends ${address}, which ${podName} listed ${Math.round(sinceMs)} ms ago`)
    }
  }

  /** Of a MemoryGroup that goes, nothing is waited for. */
  private isWanted(namespace: string, name: string): boolean {
    const found = this.view.cluster.store.get(MEMORY_GROUPS, { namespace, name })
    return found !== undefined && found.metadata.deletionTimestamp === undefined
  }
}

const addressesIn = ({ memory }: Topology): Set<string> => new Set((memory?.groups ?? []).flat().map(({ data }) => data))

const replicasOf = ({ spec }: KubeObject): number => (spec as { replicas?: number }).replicas ?? 1
