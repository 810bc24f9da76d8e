/** At the same index of a block every replica has the same digest, during the run and at its end. */
import type { Applied, Invariant } from '../invariant.ts'
import { mapEntry } from '../map-entry.ts'
import { Violation } from '../violation.ts'

export class DigestsEqual implements Invariant {
  readonly name = 'digests-equal'
  private readonly digests = new Map<number, string[]>()

  onApplied({ replica, block, index, digest }: Applied): void {
    if (digest !== undefined) this.check(replica, block, index, digest)
  }

  onQuiet(block: number, index: number, digests: readonly string[]): void {
    for (const [replica, digest] of digests.entries()) this.check(replica, block, index, digest)
  }

  private check(replica: number, block: number, index: number, digest: string): void {
    const digests = mapEntry(this.digests, block, () => [])
    digests[index] ??= digest
    if (digests[index] === digest) return
    throw new Violation(
      this.name,
      `replica ${replica} has digest ${digest} at index ${index} of block ${block}; another had ${digests[index]}`,
    )
  }
}
