/** No replica takes a peer's volume for rolled back: none is (⚖5, no false alarm). */
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class NeverRolledBack implements Invariant {
  readonly name = 'never-rolled-back'

  onRejected(replica: number, message: string): void {
    throw new Violation(this.name, `replica ${replica} was told: ${message}`)
  }
}
