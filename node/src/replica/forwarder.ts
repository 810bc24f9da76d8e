/**
 * Writes that arrived at a replica that is not their block's best live choice: sent on once, and the answer passed back.
 * A forwarded write is never forwarded again. If the other replica is lost or silent, the write is proposed here under
 * the same stamp: the request table makes sure it is applied once (⚖9).
 */
import { ERRORS } from '@thermocline/protocol'
import type { Core } from '../paxos/core.ts'
import type { PendingWrite } from '../paxos/pending.ts'

/** After this long without an answer the write is proposed here. */
export const FORWARD_TIMEOUT_MS = 1000

interface Forwarded {
  readonly to: number
  readonly sentAtMs: number
  readonly write: PendingWrite
}

export class Forwarder {
  private readonly core: Core
  private readonly proposeHere: (write: PendingWrite) => void
  private readonly sent = new Map<number, Forwarded>()
  /** Ids begin somewhere: nobody who was not asked can answer. */
  private nextId: number
  forwarded = 0

  constructor(core: Core, proposeHere: (write: PendingWrite) => void) {
    this.core = core
    this.proposeHere = proposeHere
    this.nextId = Math.floor(core.random() * 0x1_0000_0000)
  }

  get waiting(): number {
    return this.sent.size
  }

  /** Sends the write on; false if the replica is not connected. */
  send(write: PendingWrite, to: number): boolean {
    const out = this.core.outbox.now(to)
    if (out === undefined) return false
    const id = this.nextId
    this.nextId = (this.nextId + 1) >>> 0
    this.sent.set(id, { to, sentAtMs: this.core.nowMs, write })
    this.forwarded++
    this.core.outbox.messages.forward(out, id, Math.max(1, write.deadlineMs - this.core.nowMs), write.body)
    return true
  }

  onAnswer(from: number, id: number, error: number, body: Uint8Array): void {
    const found = this.sent.get(id)
    if (found === undefined || found.to !== from) return
    this.sent.delete(id)
    // It could not take the write on, and this replica perhaps can.
    if (error === ERRORS.disk_full.number || error === ERRORS.unavailable.number) this.proposeHere(found.write)
    else found.write.answer(error, body)
  }

  onPeerLost(replica: number): void {
    for (const [id, forwarded] of this.sent) if (forwarded.to === replica) this.takeBack(id, forwarded)
  }

  sweep(): void {
    for (const [id, forwarded] of this.sent) {
      const isLate = this.core.nowMs - forwarded.sentAtMs > FORWARD_TIMEOUT_MS
      if (isLate || (this.core.live & (1 << forwarded.to)) === 0) this.takeBack(id, forwarded)
    }
  }

  private takeBack(id: number, { write }: Forwarded): void {
    this.sent.delete(id)
    // The other replica may have proposed it: from now on only its fate, or `unknown`, is an answer.
    write.carries++
    this.proposeHere(write)
  }
}
