/**
 * An operator deletes a claim only at the end of a resource whose policy is `Delete`; or when the volume cannot be reached any
 * more, and n − q + 1 others vote, who can teach a new one. One that was seen to hold the data of others it deletes never; that data
 * is moved aside only while as many others vote.
 */

import { ANNOTATIONS } from '../../../src/api/names.ts'
import { PAXOS_GROUPS } from '../../../src/controllers/watches.ts'
import type { KubeObject } from '../../../src/runtime/ports.ts'
import { RESOURCES } from '../../../src/runtime/resources.ts'
import { quorumOf } from '../../../src/specs/cluster.ts'
import type { Invariant, RunView } from '../invariant.ts'
import { conditionOf } from '../pod-status.ts'
import type { Ask } from '../sim-operator.ts'
import { claimDeletedByOperator, podAt, type Slot, slotOf, votesOf } from '../slots.ts'
import type { Change } from '../store.ts'
import { Violation } from '../violation.ts'

/** From the reading to the writing, and a late request. */
const UNHEARD_MS = 60_000

export class ClaimKept implements Invariant {
  readonly name = 'claim-kept'
  private readonly view: RunView
  /** Node → when it was last seen to be not ready, or gone. */
  private readonly unready = new Map<string, number>()

  constructor(view: RunView) {
    this.view = view
  }

  onChange(change: Change): void {
    if (change.resource === 'nodes') this.noteNode(change)
    const claim = claimDeletedByOperator(change)
    if (claim === undefined) return
    const slot = slotOf(claim)
    if (claim.metadata.annotations?.[ANNOTATIONS.foreignVolume] !== undefined)
      throw new Violation(this.name, `${change.by} deletes claim ${claim.metadata.name}, which holds the data of others`)
    const why = this.isEnding(slot) ? undefined : (this.whyNotLost(claim) ?? this.whyNotTaught(slot))
    if (why !== undefined) throw new Violation(this.name, `${change.by} deletes claim ${claim.metadata.name}: ${why}`)
  }

  onAsk({ step, args }: Ask): void {
    if (step !== 'set volume aside') return
    const pod = podAt(this.view.cluster.store, args[0] as string)
    const why = pod === undefined ? undefined : this.whyNotTaught(slotOf(pod))
    if (why !== undefined) throw new Violation(this.name, `the volume of ${pod?.metadata.name} is set aside: ${why}`)
  }

  private noteNode({ before, after }: Change): void {
    for (const node of [before, after]) {
      if (node !== undefined && conditionOf(node, 'Ready')?.status !== 'True') this.unready.set(node.metadata.name, this.view.tier.nowMs)
    }
  }

  private isEnding({ namespace, name }: Slot): boolean {
    const resource = this.view.cluster.store.get(PAXOS_GROUPS, { namespace, name })
    const { storage } = (resource?.spec ?? {}) as { storage?: { retentionPolicy?: string } }
    return resource?.metadata.deletionTimestamp !== undefined && storage?.retentionPolicy === 'Delete'
  }

  private whyNotLost({ metadata: { uid = '' } }: KubeObject): string | undefined {
    const { cluster, tier } = this.view
    const { node, isLost } = cluster.kubelets.volumes.get(uid) ?? {}
    if (isLost === true) return undefined
    if (node === undefined) return 'its volume is not tied to a node'
    const found = cluster.store.get(RESOURCES.nodes, { name: node })
    if (found === undefined || conditionOf(found, 'Ready')?.status !== 'True') return undefined
    const agoMs = tier.nowMs - (this.unready.get(node) ?? Number.NEGATIVE_INFINITY)
    return agoMs < UNHEARD_MS ? undefined : `its volume is on node ${node}, which is ready`
  }

  private whyNotTaught(slot: Slot): string | undefined {
    const votes = votesOf(this.view, slot) ?? []
    const { nowMs } = this.view.tier
    const others = votes.filter(({ votes: is, lastMs }, replica) => replica !== slot.replica && (is || nowMs - lastMs < UNHEARD_MS)).length
    const needed = votes.length - quorumOf(votes.length) + 1
    return others >= needed ? undefined : `${others} others vote; ${needed} must`
  }
}
