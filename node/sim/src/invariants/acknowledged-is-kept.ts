/** What was answered with an index stands in the decided entries. */
import type { ModelAnswer } from '../../../src/engine/model.ts'
import type { HistoryRecord } from '../history.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class AcknowledgedIsKept implements Invariant {
  readonly name = 'acknowledged-is-kept'

  onBlockEnd(block: number, records: readonly HistoryRecord[], effects: ReadonlyMap<string, ModelAnswer>): void {
    const lost = records.find((record) => record.kind === 'write' && record.index > 0 && !effects.has(record.requestId))
    if (lost?.kind !== 'write') return
    throw new Violation(
      this.name,
      `block ${block}: request ${lost.requestId} was answered with index ${lost.index}, but no decided entry holds it`,
    )
  }
}
