/** What an entry says of the records that it replaces is what every replica holds when it applies it (⚖8). */
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class OldRecordsAgree implements Invariant {
  readonly name = 'old-records-agree'

  onFailure(replica: number, error: Error): void {
    if (error.message.includes('ships another old record')) throw new Violation(this.name, `replica ${replica}: ${error.message}`)
  }
}
