/**
 * When a learner takes the answer to its question for barriers, the disk of whoever answers names the learner's incarnation
 * (⚖5, ⚖15): what is voted there later, even after a crash, is not counted beside a vote of the volume that was lost.
 */
import { compareIncarnations } from '@thermocline/protocol'
import type { BarrierTaken, Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class BarrierNamesDurably implements Invariant {
  readonly name = 'barrier-names-durably'

  onBarrierTaken({ learner, incarnation, from, durablyNamed }: BarrierTaken): void {
    if (durablyNamed !== undefined && compareIncarnations(durablyNamed, incarnation) >= 0) return
    throw new Violation(
      this.name,
      `replica ${learner} takes the barriers of replica ${from}, whose disk names its incarnation ${durablyNamed?.number ?? 'not at all'}; it is ${incarnation.number}`,
    )
  }
}
