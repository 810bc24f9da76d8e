/**
 * Requests as they arrive at a replica: checked, admitted or refused with the reason, and handed to the part that answers
 * them. A write for a block whose best live replica is another is forwarded there, once.
 */
import { ERRORS, type ErrorCode, ONLY_THIS_BLOCK, Operation } from '@thermocline/protocol'
import { writeFailure } from '../kv/answers.ts'
import { checkReadBody } from '../kv/read-body.ts'
import { checkValidateBody } from '../kv/validate-body.ts'
import { checkWriteBody } from '../kv/write-body.ts'
import type { Core } from '../paxos/core.ts'
import { PendingWrite, type ReplyTarget } from '../paxos/pending.ts'
import { PendingRead } from '../paxos/pending-read.ts'
import { PendingValidation } from '../paxos/pending-validation.ts'
import type { Proposer } from '../paxos/proposer.ts'
import type { Reader } from '../paxos/reader.ts'
import type { Rejoin } from '../paxos/rejoin.ts'
import { admitRead, admitWrite, type Load, type Refusal, type RequestLimits } from './admission.ts'
import type { Forwarder } from './forwarder.ts'
import type { Peer, Peers } from './peers.ts'

/** Longest time a request may wait here, whatever its caller asks. */
const MAX_TIMEOUT_MS = 30_000

export interface RequestsOptions {
  readonly core: Core
  readonly peers: Peers
  readonly proposer: Proposer
  readonly forwarder: Forwarder
  readonly reader: Reader
  readonly rejoin: Rejoin
  readonly limits: RequestLimits
  readonly load: () => Load
  /** True if this group owns the block, by the topology in force. */
  readonly owns: (block: number) => boolean
  readonly epoch: () => number
  readonly now: () => number
  readonly soon: () => void
  readonly isStopping: () => boolean
}

interface Caller {
  readonly target: ReplyTarget
  readonly token: number
}

export class Requests {
  private readonly options: RequestsOptions
  /** Writes taken on and not answered yet, and the bytes of their bodies. */
  waitingWrites = 0
  waitingBytes = 0
  readonly counters = { writes: 0, reads: 0, validated: 0, refused: 0, forwardedIn: 0 }

  constructor(options: RequestsOptions) {
    this.options = options
  }

  submit(operation: number, body: Uint8Array, timeoutMs: number, target: ReplyTarget, token: number): void {
    if (operation === Operation.write) this.submitWrite(body, timeoutMs, target, token)
    else if (operation === Operation.get || operation === Operation.scan || operation === Operation.pageVersions)
      this.submitRead(operation, body, timeoutMs, target, token)
    else if (operation === Operation.validate) this.submitValidation(body, timeoutMs, target, token)
    else if (operation === Operation.stamps) this.answerStamps(body, target, token)
    else refuse({ target, token }, 'invalid_argument', 0, `operation: ${operation} is not known`)
  }

  private submitWrite(body: Uint8Array, timeoutMs: number, target: ReplyTarget, token: number): void {
    const { core, forwarder, proposer, soon } = this.options
    const write = this.takeWrite(body, timeoutMs, target, token)
    if (write === undefined) return
    const best = core.bestLive(write.block)
    if (best === core.replica || !forwarder.send(write, best)) proposer.submit(write)
    soon()
  }

  /** Checks a write and makes it wait, or answers it with a refusal. */
  private takeWrite(body: Uint8Array, timeoutMs: number, target: ReplyTarget, token: number): PendingWrite | undefined {
    const shape = checkWriteBody(body)
    if (typeof shape === 'string') {
      refuse({ target, token }, 'invalid_argument', 0, shape)
      return undefined
    }
    if (this.isRefused({ target, token }, shape.block, admitWrite)) return undefined
    if (this.isLearnt({ target, token }, shape.block)) return undefined
    const now = this.options.now()
    this.counters.writes++
    this.waitingWrites++
    this.waitingBytes += body.length
    const counted: ReplyTarget = {
      reply: (_token, error, answer) => {
        this.waitingWrites--
        this.waitingBytes -= body.length
        target.reply(token, error, answer)
      },
    }
    return new PendingWrite(shape.block, body, shape, { arrivedMs: now, deadlineMs: now + clampTimeout(timeoutMs) }, counted, token)
  }

  /** A peer forwards a write: it is proposed here, whoever is the block's best replica. */
  takeForwarded(from: number, id: number, timeoutMs: number, body: Uint8Array): void {
    const { peers, proposer, soon } = this.options
    if (!peers.isNewForward(from, id)) return
    this.counters.forwardedIn++
    // The id means something to that process only: the answer goes back by its connection or not at all.
    const { link } = peers.all[from] as Peer
    const target: ReplyTarget = {
      reply: (token, error, answer) => {
        const out = peers.all[from]?.link === link ? peers.now(from) : undefined
        if (out !== undefined) peers.messages.forwardAnswer(out, token, error, answer)
        soon()
      },
    }
    const write = this.takeWrite(body, timeoutMs, target, id)
    if (write !== undefined) proposer.submit(write)
  }

  private submitRead(operation: number, body: Uint8Array, timeoutMs: number, target: ReplyTarget, token: number): void {
    const block = checkReadBody(operation, body)
    if (typeof block === 'string') {
      refuse({ target, token }, 'invalid_argument', 0, block)
      return
    }
    if (this.isRefused({ target, token }, block, admitRead)) return
    const { reader, now, soon } = this.options
    if (this.isLearnt({ target, token }, block)) return
    this.counters.reads++
    reader.submit(new PendingRead(block, operation, body, now() + clampTimeout(timeoutMs), target, token))
    soon()
  }

  /** A patient one is a read like any other; else each series is answered that can be at once. */
  private submitValidation(body: Uint8Array, timeoutMs: number, target: ReplyTarget, token: number): void {
    const shape = checkValidateBody(body)
    if (typeof shape === 'string') {
      refuse({ target, token }, 'invalid_argument', 0, shape)
      return
    }
    const { blocks, isPatient } = shape
    const { reader, now, soon } = this.options
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i] as number
      if (i === 0 && this.isRefused({ target, token }, block, admitRead)) return
      if (i > 0 && !this.options.owns(block)) {
        refuse({ target, token }, 'moved', this.options.epoch(), `block ${block} belongs to another group`)
        return
      }
      if (this.isLearnt({ target, token }, block)) return
    }
    const deadlineMs = now() + clampTimeout(timeoutMs)
    this.counters.validated += blocks.length
    if (isPatient) reader.submit(new PendingRead(blocks[0] as number, Operation.validate, body, deadlineMs, target, token))
    else reader.submitValidation(new PendingValidation(blocks, body, deadlineMs, target, token))
    soon()
  }

  /** Indexes to stamp new requests with: any voter's `chosen` will do, no round. */
  private answerStamps(body: Uint8Array, target: ReplyTarget, token: number): void {
    const notServing = this.notServing()
    if (notServing !== undefined) {
      refuse({ target, token }, notServing.code, 0, notServing.message)
      return
    }
    const count = body.length < 2 ? 0 : (body[0] as number) | ((body[1] as number) << 8)
    if (count < 1 || body.length !== 2 + 2 * count) {
      refuse({ target, token }, 'invalid_argument', 0, `blocks: the body has ${body.length} bytes; expected 2 + 2 for each of ${count}`)
      return
    }
    const answer = new Uint8Array(6 * count)
    const view = new DataView(answer.buffer)
    for (let i = 0; i < count; i++) {
      const block = (body[2 + 2 * i] as number) | ((body[3 + 2 * i] as number) << 8)
      if (this.isLearnt({ target, token }, block)) return
      const chosen = this.options.core.peek(block)?.chosen ?? 0
      view.setUint32(6 * i, chosen >>> 0, true)
      view.setUint16(6 * i + 4, chosen / 0x1_0000_0000, true)
    }
    target.reply(token, 0, answer)
  }

  /** Answers with why the request is not taken on, if there is a reason. */
  private isRefused(caller: Caller, block: number, admit: (load: Load, limits: RequestLimits) => Refusal | undefined): boolean {
    const { load, limits, owns, epoch } = this.options
    const refusal = this.notServing() ?? admit(load(), limits)
    if (refusal !== undefined) {
      this.counters.refused++
      refuse(caller, refusal.code, refusal.retryAfterMs, refusal.message)
      return true
    }
    if (owns(block)) return false
    refuse(caller, 'moved', epoch(), `block ${block} belongs to another group`)
    return true
  }

  /** Answers that the block is not served here yet, if so, and has it learned before others. */
  private isLearnt(caller: Caller, block: number): boolean {
    const { core, rejoin } = this.options
    if (core.votes.has(block)) return false
    rejoin.want(block)
    refuse(caller, 'unavailable', ONLY_THIS_BLOCK, `this replica learns block ${block} and does not serve it yet; try another`)
    return true
  }

  private notServing(): { code: 'unavailable'; retryAfterMs: number; message: string } | undefined {
    const isStopping = this.options.isStopping()
    if (this.options.core.isActive && !isStopping) return undefined
    return { code: 'unavailable', retryAfterMs: 0, message: isStopping ? 'the replica is stopping' : 'the replica does not serve' }
  }
}

/** Answers with an error; `argument` is what its code carries (protocol/src/client-messages.ts). */
export function refuse(to: Caller, code: ErrorCode, argument: number, message: string): void {
  to.target.reply(to.token, ERRORS[code].number, writeFailure(0, argument, message))
}

function clampTimeout(timeoutMs: number): number {
  return Math.min(Math.max(timeoutMs, 1), MAX_TIMEOUT_MS)
}
