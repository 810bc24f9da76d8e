/** A request takes effect at most once, however often and wherever it is sent (⚖9). */
import type { Effect, Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class AppliedOnce implements Invariant {
  readonly name = 'applied-once'

  onEffect({ block, requestId, answer, first }: Effect): void {
    if (first === undefined || first.index === answer.index) return
    throw new Violation(this.name, `block ${block}: request ${requestId} took effect at index ${first.index} and at ${answer.index}`)
  }
}
