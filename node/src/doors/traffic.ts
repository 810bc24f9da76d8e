/** What the connections of a node may take, all together; the bounds come out of its memory. */
import { MAX_FRAME_BYTES } from '@thermocline/protocol'
import { SharedBound } from './shared-bound.ts'
import { UnfinishedFrames } from './unfinished-frames.ts'

/** Answers that one connection has not taken, whatever the node's bound is. */
const MOST_UNTAKEN_BYTES = 64 * 1024 * 1024
/** An answer of so few bytes is always given: a refusal is not much shorter. */
export const SMALL_ANSWER_BYTES = 4096

export interface TrafficLimits {
  /** Frames and HTTP bodies that are not whole. */
  readonly unfinishedBytes: number
  /** Answers and frames that the other side has not taken. */
  readonly untakenBytes: number
  /** Clients whose hello has come. */
  readonly connections: number
}

export class Traffic {
  readonly unfinished: UnfinishedFrames
  readonly untaken: SharedBound
  readonly connections: SharedBound
  /** A connection that has more than this unsent is given up, though there may be room. */
  readonly untakenPerConnection: number
  /**
   * What connections that are closing had not taken. It counts no longer in `untaken`, but is held until the event loop comes to closing them:
   * a turn in which many give way would else make answers without end.
   */
  leavingBytes = 0
  readonly mostLeavingBytes: number

  constructor(limits: TrafficLimits) {
    this.unfinished = new UnfinishedFrames(limits.unfinishedBytes)
    this.untaken = new SharedBound(limits.untakenBytes)
    this.connections = new SharedBound(limits.connections)
    this.untakenPerConnection = Math.min(MOST_UNTAKEN_BYTES, Math.max(2 * MAX_FRAME_BYTES, Math.floor(limits.untakenBytes / 2)))
    this.mostLeavingBytes = Math.max(2 * MAX_FRAME_BYTES, Math.floor(limits.untakenBytes / 4))
  }
}
