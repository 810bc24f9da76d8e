/** No two nodes of a cluster ever hold different topologies of one epoch. */
import { canonicalTopology, type Topology } from '@thermocline/protocol'
import type { Invariant } from '../invariant.ts'
import type { ThermoclineNode } from '../thermocline-node.ts'
import { Violation } from '../violation.ts'

export class OneContentPerEpoch implements Invariant {
  readonly name = 'one-content-per-epoch'
  private readonly contents = new Map<string, string>()

  onInstalled({ podName }: ThermoclineNode, topology: Topology): void {
    const key = `${topology.clusterId} ${topology.epoch}`
    const content = canonicalTopology(topology)
    const known = this.contents.get(key)
    if (known !== undefined && known !== content) {
      throw new Violation(this.name, `${podName} is given epoch ${topology.epoch} with other content: ${known}, then ${content}`)
    }
    this.contents.set(key, content)
  }
}
