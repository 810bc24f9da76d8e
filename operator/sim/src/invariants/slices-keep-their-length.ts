/** The slice duration is in every key: no node of a cluster is ever asked to take another one than the first was. */
import type { Topology } from '@thermocline/protocol'
import type { Invariant } from '../invariant.ts'
import type { Ask } from '../sim-operator.ts'
import { Violation } from '../violation.ts'

export class SlicesKeepTheirLength implements Invariant {
  readonly name = 'slices-keep-their-length'
  /** Cluster id → milliseconds. */
  private readonly first = new Map<string, number>()

  onAsk({ step, args }: Ask): void {
    if (step !== 'put topology') return
    const [address, { clusterId, sliceDurationMs }] = args as [string, Topology]
    const first = this.first.get(clusterId) ?? sliceDurationMs
    this.first.set(clusterId, first)
    if (first !== sliceDurationMs)
      throw new Violation(this.name, `${address} is given slices of ${sliceDurationMs} ms; the cluster has ${first}`)
  }
}
