/**
 * Requests as they arrive at a replica: checked, admitted or refused with the reason, and handed to the part that answers
 * them. A write for a block whose best live replica is another is forwarded there, once.
 */
import { ERRORS, type ErrorCode, ONLY_THIS_BLOCK, Operation } from '@thermocline/protocol'
import { type Caller, NodeRequest, type RequestCount } from '../doors/node-request.ts'
import { writeFailure } from '../kv/answers.ts'
import { checkReadBody } from '../kv/read-body.ts'
import { checkValidateBody } from '../kv/validate-body.ts'
import { checkWriteBody } from '../kv/write-body.ts'
import type { Core } from '../paxos/core.ts'
import { PendingWrite } from '../paxos/pending.ts'
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

export class Requests implements RequestCount {
  private readonly options: RequestsOptions
  /** Of each peer, on the connection that it has now. */
  private readonly forwarders: (PeerCaller | undefined)[] = []
  /** Writes taken on and not answered yet, and the bytes of their bodies. */
  waitingWrites = 0
  waitingWriteBytes = 0
  /** Likewise of reads and validations, those that wait for the disk too. */
  waitingReads = 0
  waitingReadBytes = 0
  readonly counters = { writes: 0, reads: 0, validated: 0, refused: 0, forwardedIn: 0 }

  constructor(options: RequestsOptions) {
    this.options = options
  }

  submit(request: NodeRequest): void {
    const { operation } = request
    if (operation === Operation.write) this.submitWrite(request)
    else if (operation === Operation.get || operation === Operation.scan || operation === Operation.pageVersions) this.submitRead(request)
    else if (operation === Operation.validate) this.submitValidation(request)
    else if (operation === Operation.stamps) this.answerStamps(request)
    else refuse(request, 'invalid_argument', 0, `operation: ${operation} is not known`)
  }

  private submitWrite(request: NodeRequest): void {
    const { core, forwarder, proposer, soon } = this.options
    const write = this.takeWrite(request)
    if (write === undefined) return
    const best = core.bestLive(write.block)
    if (best === core.replica || !forwarder.send(write, best)) proposer.submit(write)
    soon()
  }

  /** Checks a write and makes it wait, or answers it with a refusal. */
  private takeWrite(request: NodeRequest): PendingWrite | undefined {
    const shape = checkWriteBody(request.body)
    if (typeof shape === 'string') {
      refuse(request, 'invalid_argument', 0, shape)
      return undefined
    }
    if (this.isRefused(request, shape.block, admitWrite)) return undefined
    if (this.isLearnt(request, shape.block)) return undefined
    const arrivedMs = this.options.now()
    this.counters.writes++
    this.waitingWrites++
    this.waitingWriteBytes += request.body.length
    request.countIn(this)
    return new PendingWrite(shape.block, request, shape, { arrivedMs, deadlineMs: deadlineOf(request, arrivedMs) })
  }

  /** A request that waited here has its answer. */
  onAnswered({ operation, body }: NodeRequest): void {
    if (operation === Operation.write) {
      this.waitingWrites--
      this.waitingWriteBytes -= body.length
    } else {
      this.waitingReads--
      this.waitingReadBytes -= body.length
    }
  }

  /** A peer forwards a write: it is proposed here, whoever is the block's best replica. */
  takeForwarded(from: number, id: number, timeoutMs: number, body: Uint8Array): void {
    const { peers, proposer } = this.options
    if (!peers.isNewForward(from, id)) return
    this.counters.forwardedIn++
    const write = this.takeWrite(new NodeRequest(this.forwarderOf(from), id, Operation.write, body, timeoutMs))
    if (write !== undefined) proposer.submit(write)
  }

  private forwarderOf(from: number): PeerCaller {
    const { peers, soon } = this.options
    const { link } = peers.all[from] as Peer
    let forwarder = this.forwarders[from]
    if (forwarder === undefined || forwarder.link !== link) {
      forwarder = new PeerCaller(peers, from, link, soon)
      this.forwarders[from] = forwarder
    }
    return forwarder
  }

  private submitRead(request: NodeRequest): void {
    const block = checkReadBody(request.operation, request.body)
    if (typeof block === 'string') {
      refuse(request, 'invalid_argument', 0, block)
      return
    }
    if (this.isRefused(request, block, admitRead)) return
    if (this.isLearnt(request, block)) return
    const { reader, now, soon } = this.options
    this.counters.reads++
    reader.submit(new PendingRead(block, this.countRead(request), deadlineOf(request, now())))
    soon()
  }

  private countRead(request: NodeRequest): NodeRequest {
    this.waitingReads++
    this.waitingReadBytes += request.body.length
    request.countIn(this)
    return request
  }

  /** A patient one is a read like any other; else each series is answered that can be at once. */
  private submitValidation(request: NodeRequest): void {
    const shape = checkValidateBody(request.body)
    if (typeof shape === 'string') {
      refuse(request, 'invalid_argument', 0, shape)
      return
    }
    const { blocks, isPatient } = shape
    const { reader, now, soon } = this.options
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i] as number
      if (i === 0 && this.isRefused(request, block, admitRead)) return
      if (i > 0 && !this.options.owns(block)) {
        refuse(request, 'moved', this.options.epoch(), `block ${block} belongs to another group`)
        return
      }
      if (this.isLearnt(request, block)) return
    }
    this.counters.validated += blocks.length
    this.countRead(request)
    if (isPatient) reader.submit(new PendingRead(blocks[0] as number, request, deadlineOf(request, now())))
    else reader.submitValidation(new PendingValidation(blocks, request, deadlineOf(request, now())))
    soon()
  }

  /** Indexes to stamp new requests with: any voter's `chosen` will do, no round. */
  private answerStamps(request: NodeRequest): void {
    const { body } = request
    const notServing = this.notServing()
    if (notServing !== undefined) {
      refuse(request, notServing.code, 0, notServing.message)
      return
    }
    const count = body.length < 2 ? 0 : (body[0] as number) | ((body[1] as number) << 8)
    if (count < 1 || body.length !== 2 + 2 * count) {
      refuse(request, 'invalid_argument', 0, `blocks: the body has ${body.length} bytes; expected 2 + 2 for each of ${count}`)
      return
    }
    const answer = new Uint8Array(6 * count)
    const view = new DataView(answer.buffer)
    for (let i = 0; i < count; i++) {
      const block = (body[2 + 2 * i] as number) | ((body[3 + 2 * i] as number) << 8)
      if (this.isLearnt(request, block)) return
      const chosen = this.options.core.peek(block)?.chosen ?? 0
      view.setUint32(6 * i, chosen >>> 0, true)
      view.setUint16(6 * i + 4, chosen / 0x1_0000_0000, true)
    }
    request.reply(0, answer)
  }

  /** Answers with why the request is not taken on, if there is a reason. */
  private isRefused(request: NodeRequest, block: number, admit: (load: Load, limits: RequestLimits) => Refusal | undefined): boolean {
    const { load, limits, owns, epoch } = this.options
    const refusal = this.notServing() ?? admit(load(), limits)
    if (refusal !== undefined) {
      this.counters.refused++
      refuse(request, refusal.code, refusal.retryAfterMs, refusal.message)
      return true
    }
    if (owns(block)) return false
    refuse(request, 'moved', epoch(), `block ${block} belongs to another group`)
    return true
  }

  /** Answers that the block is not served here yet, if so, and has it learned before others. */
  private isLearnt(request: NodeRequest, block: number): boolean {
    const { core, rejoin } = this.options
    if (core.votes.has(block)) return false
    rejoin.want(block)
    refuse(request, 'unavailable', ONLY_THIS_BLOCK, `this replica learns block ${block} and does not serve it yet; try another`)
    return true
  }

  private notServing(): { code: 'unavailable'; retryAfterMs: number; message: string } | undefined {
    const isStopping = this.options.isStopping()
    if (this.options.core.isActive && !isStopping) return undefined
    return { code: 'unavailable', retryAfterMs: 0, message: isStopping ? 'the replica is stopping' : 'the replica does not serve' }
  }
}

/** Answers with an error; `argument` is what its code carries (protocol/src/client-messages.ts). */
export function refuse(request: NodeRequest, code: ErrorCode, argument: number, message: string): void {
  request.reply(ERRORS[code].number, writeFailure(0, argument, message))
}

/** In whole milliseconds: a number with a fraction would be an object of its own for each request. */
function deadlineOf({ timeoutMs }: NodeRequest, nowMs: number): number {
  return Math.ceil(nowMs) + Math.min(Math.max(timeoutMs, 1), MAX_TIMEOUT_MS)
}

/** A peer that forwards writes: an id means something to that process only, so the answer goes back by its connection or not at all. */
class PeerCaller implements Caller {
  readonly door = 'peer'
  readonly source: string
  readonly link: Peer['link']
  private readonly peers: Peers
  private readonly replica: number
  private readonly soon: () => void

  constructor(peers: Peers, replica: number, link: Peer['link'], soon: () => void) {
    this.peers = peers
    this.replica = replica
    this.source = `replica ${replica}`
    this.link = link
    this.soon = soon
  }

  reply(token: number, error: number, body: Uint8Array): void {
    const { peers, replica } = this
    const out = peers.all[replica]?.link === this.link ? peers.now(replica) : undefined
    if (out !== undefined) peers.messages.forwardAnswer(out, token, error, body)
    this.soon()
  }
}
