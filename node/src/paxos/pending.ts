/** A write on its way into an entry, from arrival to answer. */

import { ERRORS } from '@thermocline/protocol'
import type { NodeRequest } from '../doors/node-request.ts'

export class PendingWrite {
  readonly block: number
  /** Body of `Operation.write`, checked. */
  readonly body: Uint8Array
  readonly view: DataView
  /** Where the count of operations stands in `body`. */
  readonly opsAt: number
  readonly opCount: number
  readonly seriesFingerprint: number
  readonly isAppend: boolean
  readonly arrivedMs: number
  readonly deadlineMs: number
  readonly request: NodeRequest
  /** How many Accepts, here or at a replica it was forwarded to, may carry it. */
  carries = 0
  isAnswered = false
  prepares = 0
  /** What a read from disk said, valid at `peekedIndex`. */
  peeked: Uint8Array | undefined = undefined
  peekedIndex = -1

  constructor(
    block: number,
    request: NodeRequest,
    shape: { opsAt: number; opCount: number; seriesFingerprint: number; isAppend: boolean },
    times: { arrivedMs: number; deadlineMs: number },
  ) {
    const { body } = request
    this.block = block
    this.request = request
    this.body = body
    this.view = new DataView(body.buffer, body.byteOffset, body.byteLength)
    this.opsAt = shape.opsAt
    this.opCount = shape.opCount
    this.seriesFingerprint = shape.seriesFingerprint
    this.isAppend = shape.isAppend
    this.arrivedMs = times.arrivedMs
    this.deadlineMs = times.deadlineMs
  }

  /** Once an Accept carried it, only `unknown` can be said of it without knowing. */
  get carried(): boolean {
    return this.carries > 0
  }

  /** Answers, once: whatever comes later for this write is dropped. */
  answer(error: number, body: Uint8Array): void {
    if (this.isAnswered) return
    this.isAnswered = true
    // Refused as too old, but an earlier attempt of ours may have been applied: its answer is just not remembered.
    const isUnresolved = error === ERRORS.expired.number && this.carries > 1
    this.request.reply(isUnresolved ? ERRORS.unknown.number : error, body)
  }
}
