/**
 * What has come of frames that are not whole, on all connections of a node together: a bound of bytes (shared-bound.ts), and of time.
 * A frame that brings nothing for `STALLED_LOOKS` looks, or is not whole after `UNFINISHED_LOOKS`, is cut: who drips one byte now and
 * then would hold its buffer for ever. Looks are counted and not time, so that a process that was held up itself blames nobody.
 */
import { type Holder, SharedBound } from './shared-bound.ts'

/** A look is due every so often. */
export const LOOK_MS = 1000
export const STALLED_LOOKS = 10
/** Of 8 MiB, 280 KB a second: no request may wait longer than this for its answer either. */
export const UNFINISHED_LOOKS = 30

/** A connection that frames come by. */
export interface FrameSource {
  readonly source: string
  readonly decoder: Unfinished
  /** Nothing is read from it for now: that is not its fault. */
  readonly isPaused: boolean
  /** Ends the connection. */
  cutFrame(code: 'overloaded' | 'unavailable', message: string): void
}

/** What a decoder of frames says of itself (protocol/src/frame-decoder.ts). */
export interface Unfinished {
  readonly heldBytes: number
  readonly frames: number
}

export class UnfinishedFrames {
  private readonly bound: SharedBound
  private readonly open = new Map<FrameSource, OpenFrame>()

  constructor(limitBytes: number) {
    this.bound = new SharedBound(limitBytes)
  }

  get bytes(): number {
    return this.bound.total
  }

  get cuts(): number {
    return this.bound.cuts
  }

  /** After each chunk that a connection brought while a frame was or is unfinished. */
  note(from: FrameSource): void {
    const { heldBytes, frames } = from.decoder
    const known = this.open.get(from)
    if (heldBytes === 0) this.forget(from)
    else if (known === undefined) {
      const frame = new OpenFrame(from, frames, this.bound.limit, () => this.open.delete(from))
      this.open.set(from, frame)
      this.bound.set(frame, heldBytes)
    } else {
      known.idleLooks = 0
      if (known.number === frames) this.bound.set(known, heldBytes)
      else {
        // The frame that was unfinished has ended; another one has begun.
        known.number = frames
        known.looks = 0
        this.bound.renew(known, heldBytes)
      }
    }
  }

  /** The connection has ended, or is not read any more. */
  forget(from: FrameSource): void {
    const known = this.open.get(from)
    if (known === undefined) return
    this.open.delete(from)
    this.bound.set(known, 0)
  }

  /** Every `LOOK_MS`. */
  look(): void {
    for (const [from, frame] of this.open) {
      if (from.isPaused) continue
      frame.looks++
      frame.idleLooks++
      if (frame.idleLooks <= STALLED_LOOKS && frame.looks <= UNFINISHED_LOOKS) continue
      this.forget(from)
      const isStalled = frame.idleLooks > STALLED_LOOKS
      const [what, seconds] = isStalled ? ['brought nothing more', STALLED_LOOKS] : ['was not whole', UNFINISHED_LOOKS]
      from.cutFrame('unavailable', `a frame ${what} within ${(seconds * LOOK_MS) / 1000} s`)
    }
  }
}

class OpenFrame implements Holder {
  private readonly from: FrameSource
  private readonly limit: number
  private readonly onCut: () => void
  readonly source: string
  /** How many whole frames came before it. */
  number: number
  looks = 0
  idleLooks = 0

  constructor(from: FrameSource, number: number, limit: number, onCut: () => void) {
    this.from = from
    this.source = from.source
    this.number = number
    this.limit = limit
    this.onCut = onCut
  }

  cut(): void {
    this.onCut()
    this.from.cutFrame(
      'overloaded',
      `unfinished frames of all connections take more than ${this.limit} bytes, most of them from ${this.source}`,
    )
  }
}
