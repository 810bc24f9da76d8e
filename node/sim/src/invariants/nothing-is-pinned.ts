/** At the end, when nothing is open, no replica takes a block for one that lacks entries: what a liar named has been forgotten. */
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class NothingIsPinned implements Invariant {
  readonly name = 'nothing-is-pinned'

  onEnd(replica: number, behind: readonly { readonly block: number; readonly chosen: number; readonly knownChosen: number }[]): void {
    const [first] = behind
    if (first === undefined) return
    throw new Violation(
      this.name,
      `replica ${replica} takes ${behind.length} blocks for behind: block ${first.block} is at ${first.chosen}, and known to be at ${first.knownChosen}`,
    )
  }
}
