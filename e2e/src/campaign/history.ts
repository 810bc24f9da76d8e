/** What the clients did and were told, for the checker and for the figures. */
import { check, type Operation, type RecordInput, type RecordOutput, type Result, recordModel } from '@thermocline/checker'

export interface Recorded extends Operation<RecordInput, RecordOutput> {
  /** `ok`: answered, a condition that failed included. `fail`: it surely did not happen. `unknown`: it may have. */
  readonly outcome: 'ok' | 'fail' | 'unknown'
  /** When the client was told, also of an operation whose outcome it was not told. */
  readonly toldMs: number
  /** Code of the error, if there was one. */
  readonly code: string | undefined
}

/** Search steps per record; its histories are a few hundred operations. */
const MAX_STEPS = 5_000_000

export class History {
  readonly operations: Recorded[] = []

  add(operation: Recorded): void {
    this.operations.push(operation)
  }

  /** How many series have answered an operation that began after `sinceMs`. */
  answeredSince(sinceMs: number): number {
    const series = new Set<string>()
    for (let at = this.operations.length - 1; at >= 0; at--) {
      const { toldMs, startMs, outcome, input } = this.operations[at] as Recorded
      if (toldMs < sinceMs) break
      if (startMs > sinceMs && outcome === 'ok') series.add(input.series)
    }
    return series.size
  }

  /** An operation that did not happen, and a read that was not answered, say nothing of the records. */
  check(): Result<RecordInput, RecordOutput> {
    const telling = this.operations.filter(({ outcome, input }) => outcome === 'ok' || (outcome === 'unknown' && input.kind !== 'get'))
    return check(recordModel, telling, MAX_STEPS)
  }
}
