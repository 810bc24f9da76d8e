/** A replica gives up a block only if its own content of it is wrong: never on the word of one that is wrong itself. */
import type { Invariant } from '../invariant.ts'
import { Violation } from '../violation.ts'

export class SetsAsideWhatIsWrong implements Invariant {
  readonly name = 'sets-aside-what-is-wrong'

  onSetAside(replica: number, block: number, isWrong: boolean): void {
    if (!isWrong) throw new Violation(this.name, `replica ${replica} sets block ${block} aside, whose content there is right`)
  }
}
