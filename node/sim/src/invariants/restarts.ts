/** A process starts on whatever a crash has left: a torn tail is no damage (⚖12), and replay finds no gap (⚖3, ⚖10). */
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class Restarts implements Invariant {
  readonly name = 'restarts'

  onRefusedStart(replica: number, error: Error): void {
    if (error instanceof Violation) throw error
    throw new Violation(this.name, `replica ${replica}: ${error.stack ?? error.message}`)
  }
}
