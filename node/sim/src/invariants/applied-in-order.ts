/** Every replica, in every life, applies 1, 2, 3, … of each block; nothing is applied twice or left out. */
import type { Applied, Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class AppliedInOrder implements Invariant {
  readonly name = 'applied-in-order'

  onApplied({ replica, block, index, last }: Applied): void {
    if (index === last + 1) return
    throw new Violation(this.name, `replica ${replica} applied ${index} of block ${block} after ${last}`)
  }
}
