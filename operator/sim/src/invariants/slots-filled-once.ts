/** The first volumes, once named, stay; nothing else makes a fresh volume a voter's; and a cluster keeps its id. */
import type { Invariant } from '../invariant.ts'
import type { Change } from '../store.ts'
import type { ThermoclineNode } from '../thermocline-node.ts'
import { Violation } from '../violation.ts'

export class SlotsFilledOnce implements Invariant {
  readonly name = 'slots-filled-once'
  /** Cluster id → its first volumes. */
  private readonly filled = new Map<string, string>()

  onChange({ resource, before, after, by }: Change): void {
    if (resource !== 'configmaps' || after === undefined) return
    const old = (before?.data ?? {}) as Record<string, string>
    const { clusterId = '', volumes } = (after.data ?? {}) as Record<string, string>
    if (old.clusterId !== undefined && old.clusterId !== clusterId) throw new Violation(this.name, `${by} changes the id of a cluster`)
    const first = this.filled.get(clusterId)
    if (first !== undefined && first !== volumes) throw new Violation(this.name, `${by} fills slots again: ${first}, then ${volumes}`)
    if (volumes !== undefined) this.filled.set(clusterId, volumes)
  }

  /** By what was named: with its namespace the ConfigMap may have gone since. */
  onBecameVoter({ identity, podName }: ThermoclineNode): void {
    const { clusterId, group, replica, incarnation } = identity
    const volumes = JSON.parse(this.filled.get(clusterId) ?? '[]') as { number: number; nonce: string }[][]
    const slot = volumes[group]?.[replica]
    if (slot?.number === incarnation.number && slot.nonce === incarnation.nonce) return
    throw new Violation(this.name, `the fresh volume of ${podName} (${incarnation.nonce}) votes, and the ConfigMap names ${slot?.nonce}`)
  }
}
