/** No node is ever given a topology that lists a memory machine that has never been ready. */
import type { Topology } from '@thermocline/protocol'
import { LABELS, MEMORY } from '../../../src/api/names.ts'
import type { Invariant } from '../invariant.ts'
import { isReady } from '../pod-status.ts'
import type { Change } from '../store.ts'
import type { ThermoclineNode } from '../thermocline-node.ts'
import { Violation } from '../violation.ts'

export class ListedMachinesWereReady implements Invariant {
  readonly name = 'listed-machines-were-ready'
  private readonly ready = new Set<string>()

  onChange({ resource, after }: Change): void {
    if (resource !== 'pods' || after?.metadata.labels?.[LABELS.component] !== MEMORY || !isReady(after)) return
    this.ready.add(after.metadata.name)
  }

  onInstalled({ podName }: ThermoclineNode, { epoch, memory }: Topology): void {
    for (const { data } of (memory?.groups ?? []).flat()) {
      const machine = data.slice(0, data.indexOf('.'))
      if (!this.ready.has(machine))
        throw new Violation(this.name, `${podName} is given epoch ${epoch}, which lists ${machine}: it was never ready`)
    }
  }
}
