/** The library tells its caller what some answer said: that a write took place, that its condition failed, or that it did not take place. */
import type { HistoryRecord } from '../history.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class ToldAsAnswered implements Invariant {
  readonly name = 'told-as-answered'

  onBlock(block: number, records: readonly HistoryRecord[]): void {
    for (const record of records) {
      if (record.kind !== 'write' || record.contradiction === undefined) continue
      throw new Violation(this.name, `block ${block}: of request ${record.requestId} ${record.contradiction}`)
    }
  }
}
