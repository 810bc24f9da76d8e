/** No replica ever sees a peer break the protocol, nor does a data port see a client of the library do so. */
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class NoProtocolViolation implements Invariant {
  readonly name = 'no-protocol-violation'

  onWarning(what: string, fields: Record<string, unknown>): void {
    if (what.startsWith('a peer broke')) throw new Violation(this.name, String(fields.what))
    if (fields.code === 'bad_frame') throw new Violation(this.name, `${what}: ${String(fields.message)}`)
  }
}
