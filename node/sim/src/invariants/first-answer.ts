/** Every answer to a request is what it came to when it took effect, on whichever attempt (⚖9). */
import type { ModelAnswer } from '../../../src/engine/model.ts'
import type { HistoryRecord } from '../history.ts'
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class FirstAnswer implements Invariant {
  readonly name = 'first-answer'

  onBlockEnd(block: number, records: readonly HistoryRecord[], effects: ReadonlyMap<string, ModelAnswer>): void {
    for (const record of records) {
      const effect = record.kind === 'write' ? effects.get(record.requestId) : undefined
      if (record.kind === 'read' || effect === undefined) continue
      const wrong = record.answers.find((answer) => answer.index !== effect.index || answer.error !== effect.outcome)
      if (wrong === undefined) continue
      throw new Violation(
        this.name,
        `block ${block}: request ${record.requestId} was answered ${wrong.error} at ${wrong.index}; it took effect as ${effect.outcome} at ${effect.index}`,
      )
    }
  }
}
