/** Every replica applies the same value under the same index of a block. */
import type { Applied, Invariant } from '../invariant.ts'
import { mapEntry } from '../map-entry.ts'
import { Violation } from '../violation.ts'

export class OneValuePerInstance implements Invariant {
  readonly name = 'one-value-per-instance'
  private readonly values = new Map<number, string[]>()

  onApplied({ replica, block, index, value }: Applied): void {
    const values = mapEntry(this.values, block, () => [])
    values[index] ??= value
    if (values[index] === value) return
    throw new Violation(this.name, `replica ${replica} applied ${value} as ${index} of block ${block}; ${values[index]} was applied before`)
  }
}
