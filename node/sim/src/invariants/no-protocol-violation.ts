/** No replica ever sees a peer break the protocol. */
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class NoProtocolViolation implements Invariant {
  readonly name = 'no-protocol-violation'

  onWarning(what: string, fields: Record<string, unknown>): void {
    if (what.startsWith('a peer broke')) throw new Violation(this.name, String(fields.what))
  }
}
