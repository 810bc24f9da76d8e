/**
 * An invariant of the operator's runs: one file in `invariants/` each, named as it is reported. It sees what happens as it
 * happens, throws a `Violation` of its name, and never changes anything.
 */
import type { Topology } from '@thermocline/protocol'
import type { SimCluster } from './cluster.ts'
import type { SimNode } from './sim-node.ts'
import type { Ask } from './sim-operator.ts'
import type { StorageTier } from './storage-tier.ts'
import type { Change } from './store.ts'
import type { ThermoclineNode } from './thermocline-node.ts'

/** The whole truth. */
export interface RunView {
  readonly cluster: SimCluster<SimNode>
  readonly tier: StorageTier
}

export interface Invariant {
  readonly name: string
  /** An object was written; `change.by` says which operator did, if one did. */
  onChange?(change: Change): void
  /** An operator sends a request that changes something. */
  onAsk?(ask: Ask): void
  /** A node has made a topology its own. */
  onInstalled?(node: ThermoclineNode, topology: Topology): void
  /** A fresh volume has become a voter's. */
  onBecameVoter?(node: ThermoclineNode): void
  /** From here on nothing is asked of anybody, and everything is as it should be. */
  onSettled?(): void
}
