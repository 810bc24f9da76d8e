/** A request comes out as its conditions say in the state before its entry, in whichever instance that is (⚖8). */
import type { Effect, Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class Conditions implements Invariant {
  readonly name = 'conditions'

  onEffect({ block, requestId, answer, expected, first }: Effect): void {
    if (first !== undefined || answer.outcome === expected) return
    throw new Violation(
      this.name,
      `block ${block} index ${answer.index}: request ${requestId} came out as ${answer.outcome}; its conditions come to ${expected}`,
    )
  }
}
