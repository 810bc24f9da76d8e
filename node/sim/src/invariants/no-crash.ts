/** No process ends by an error of its own: what it asserts holds, whatever its peers and its disk do. */
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class NoCrash implements Invariant {
  readonly name = 'no-crash'

  onFailure(replica: number, error: Error): void {
    if (error instanceof Violation) throw error
    throw new Violation(this.name, `replica ${replica}: ${error.stack ?? error.message}`)
  }
}
