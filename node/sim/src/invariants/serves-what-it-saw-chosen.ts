/**
 * An entry that a replica hands on as chosen is one that the processes on its volume saw chosen themselves: what stands in
 * the log below a snapshot may be what was accepted there, and something else was chosen (⚖13).
 */
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'
import type { SimVolume } from '../volume.ts'

export class ServesWhatItSawChosen implements Invariant {
  readonly name = 'serves-what-it-saw-chosen'

  onServed(replica: number, volume: SimVolume, block: number, index: number, value: string): void {
    const seen = volume.seenChosen.get(block)?.get(index)
    if (seen === value) return
    throw new Violation(
      this.name,
      `replica ${replica} serves ${value} as entry ${index} of block ${block}; it saw ${seen ?? 'nothing'} chosen there itself`,
    )
  }
}
