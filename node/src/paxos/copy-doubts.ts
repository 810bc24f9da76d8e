/**
 * Blocks of a learner whose digest differed from a voter's. One voter that differs may itself be the one that is wrong: another
 * is asked before the content is copied anew, and the copy is then compared with somebody else than whom it came from. What
 * still differs after MAX_RECOPIES copies will differ after more of them: voters disagree, and an operator has to look.
 */
import { MAX_RECOPIES } from './constants.ts'

interface Doubt {
  /** Bit r: voter r has differed from the content that is here now. */
  against: number
  /** Bit r: the content is a copy of voter r's; 0 if it is not a copy that was made for this doubt. */
  source: number
  copies: number
}

export class CopyDoubts {
  private readonly doubts = new Map<number, Doubt>()
  /** Blocks that are not copied any more. */
  readonly givenUp = new Set<number>()

  noteDiffers(block: number, voter: number): void {
    const doubt = this.doubts.get(block) ?? { against: 0, source: 0, copies: 0 }
    doubt.against |= 1 << voter
    this.doubts.set(block, doubt)
  }

  /** Bits of the voters that have nothing new to say of the content. */
  heard(block: number): number {
    const doubt = this.doubts.get(block)
    return doubt === undefined ? 0 : doubt.against | doubt.source
  }

  /** The content is to be replaced by a copy; false if that was done often enough. */
  takeCopy(block: number): boolean {
    const doubt = this.doubts.get(block)
    if (doubt === undefined) return true
    if (doubt.copies >= MAX_RECOPIES) {
      this.givenUp.add(block)
      return false
    }
    doubt.copies++
    doubt.against = 0
    return true
  }

  /** The copy comes from this voter. */
  noteSource(block: number, voter: number): void {
    const doubt = this.doubts.get(block)
    if (doubt !== undefined) doubt.source = 1 << voter
  }

  settle(block: number): void {
    this.doubts.delete(block)
  }

  /** Somebody else is there: all may be tried again. */
  clear(): void {
    this.doubts.clear()
    this.givenUp.clear()
  }
}
