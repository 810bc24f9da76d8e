/** A write refused with outcome `not` is never in effect. */
import type { ModelAnswer } from '../../../src/engine/model.ts'
import type { HistoryRecord } from '../history.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class RefusedIsNotApplied implements Invariant {
  readonly name = 'refused-is-not-applied'

  onBlockEnd(block: number, records: readonly HistoryRecord[], effects: ReadonlyMap<string, ModelAnswer>): void {
    for (const record of records) {
      const effect = record.kind === 'write' && record.outcome === 'not' && record.index === 0 ? effects.get(record.requestId) : undefined
      if (record.kind === 'read' || effect === undefined) continue
      throw new Violation(
        this.name,
        `block ${block}: request ${record.requestId} was refused with error ${record.error}, but took effect at index ${effect.index}`,
      )
    }
  }
}
