/**
 * Writes that arrived at a replica that is not their block's best live choice: sent on once, and the answer passed back.
 * A forwarded write is never forwarded by who gets it. If that replica is lost, silent or late, or does not take the write on,
 * the write goes another way under the same stamp: it is proposed here, or, where this replica only learns the block, sent to
 * another voter. The request table makes sure it is applied once (⚖9).
 */
import { ERRORS } from '@thermocline/protocol'
import type { Core } from '../paxos/core.ts'
import type { PendingWrite } from '../paxos/pending.ts'

/** After this long without an answer the write goes another way. */
export const FORWARD_TIMEOUT_MS = 1000
/** Much sooner, if nothing at all was heard of the other replica since: it may be frozen, or its machine gone. */
export const FORWARD_SILENT_MS = 50

interface Forwarded {
  readonly to: number
  readonly sentAtMs: number
  readonly write: PendingWrite
}

export class Forwarder {
  private readonly core: Core
  private readonly proposeHere: (write: PendingWrite) => void
  /** When the replica's last frame came. */
  private readonly heardMs: (replica: number) => number
  private readonly sent = new Map<number, Forwarded>()
  /** Ids begin somewhere: nobody who was not asked can answer. */
  private nextId: number
  forwarded = 0

  constructor(core: Core, proposeHere: (write: PendingWrite) => void, heardMs: (replica: number) => number) {
    this.core = core
    this.proposeHere = proposeHere
    this.heardMs = heardMs
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
    if (error === ERRORS.disk_full.number || error === ERRORS.unavailable.number) this.goOn(found.write, from)
    else found.write.answer(error, body)
  }

  onPeerLost(replica: number): void {
    for (const [id, forwarded] of this.sent) if (forwarded.to === replica) this.takeBack(id, forwarded)
  }

  sweep(): void {
    for (const [id, forwarded] of this.sent) {
      const waitedMs = this.core.nowMs - forwarded.sentAtMs
      const isSilent = waitedMs > FORWARD_SILENT_MS && this.heardMs(forwarded.to) < forwarded.sentAtMs
      if (isSilent || waitedMs > FORWARD_TIMEOUT_MS || (this.core.live & (1 << forwarded.to)) === 0) this.takeBack(id, forwarded)
    }
  }

  private takeBack(id: number, { write, to }: Forwarded): void {
    this.sent.delete(id)
    // The other replica may have proposed it: from now on only its fate, or `unknown`, is an answer.
    write.carries++
    this.goOn(write, to)
  }

  /** Another way than by `except`. */
  private goOn(write: PendingWrite, except: number): void {
    const { core } = this
    if (!core.votes.has(write.block)) {
      for (const replica of core.priority(write.block)) {
        const isThere = replica !== except && (core.live & (1 << replica)) !== 0 && core.votesIn(replica, write.block)
        if (isThere && replica !== core.replica && this.send(write, replica)) return
      }
    }
    this.proposeHere(write)
  }
}
