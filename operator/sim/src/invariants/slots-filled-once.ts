/** The first volumes, once named, stay; nothing else makes a fresh volume a voter's; and a cluster keeps its id. */
import { LABELS } from '../../../src/api/names.ts'
import type { Invariant, RunView } from '../invariant.ts'
import { volumesOf } from '../slots.ts'
import type { Change } from '../store.ts'
import type { ThermoclineNode } from '../thermocline-node.ts'
import { Violation } from '../violation.ts'

export class SlotsFilledOnce implements Invariant {
  readonly name = 'slots-filled-once'
  private readonly view: RunView
  /** Cluster id → its first volumes. */
  private readonly filled = new Map<string, string>()

  constructor(view: RunView) {
    this.view = view
  }

  onChange({ resource, before, after, by }: Change): void {
    if (resource !== 'configmaps' || after === undefined) return
    const old = (before?.data ?? {}) as Record<string, string>
    const { clusterId = '', volumes } = (after.data ?? {}) as Record<string, string>
    if (old.clusterId !== undefined && old.clusterId !== clusterId) throw new Violation(this.name, `${by} changes the id of a cluster`)
    const first = this.filled.get(clusterId)
    if (first !== undefined && first !== volumes) throw new Violation(this.name, `${by} fills slots again: ${first}, then ${volumes}`)
    if (volumes !== undefined) this.filled.set(clusterId, volumes)
  }

  onBecameVoter({ identity, start, namespace, podName }: ThermoclineNode): void {
    const name = start.pod.metadata.labels?.[LABELS.instance] ?? ''
    const { group, replica, incarnation } = identity
    const slot = volumesOf(this.view.cluster.store, { namespace, name })?.[group]?.[replica]
    if (slot?.number === incarnation.number && slot.nonce === incarnation.nonce) return
    throw new Violation(this.name, `the fresh volume of ${podName} (${incarnation.nonce}) votes, and the ConfigMap names ${slot?.nonce}`)
  }
}
