/**
 * What replicas of one group say to each other, in the frames of frames.ts: at most one per tick with requests and one per
 * finished sync with votes.
 *
 * A ballot is (round, process). A proposer sends only its own ballots and an acceptor's answer returns on the
 * connection its request came by, so ballots travel as a round; the process is the frame's sender or receiver. A value
 * id is `u8 1 | u48 counter` if its process is the sender, else `u8 0 | process | u48 counter`.
 * Decoding calls the handler straight from the bytes; entries are views into the frame.
 */
import { BLOCK_COUNT, type ByteReader, type ByteWriter, DecodeError } from '@thermocline/protocol'
import { type BatchHandler, BatchWriter, readBatchMessage, type ValueId } from './batch-messages.ts'
import { BLOCK_SET_BYTES, type BlockSet } from './block-set.ts'
import { NO_ROUND } from './block-state.ts'
import { FETCH_ENTRIES, MAX_ROUND_BLOCKS } from './constants.ts'
import type { ProcessRef, ProcessTable } from './processes.ts'

export const Kind = {
  accept: 1,
  accepted: 2,
  refused: 3,
  behind: 4,
  ahead: 5,
  prepare: 6,
  promise: 7,
  chosen: 8,
  fetch: 9,
  entries: 10,
  readRound: 11,
  readAnswer: 12,
  forward: 13,
  forwardAnswer: 14,
  settle: 15,
  positions: 16,
  wantPositions: 17,
  heartbeat: 20,
  barrierQuery: 21,
  barrierAnswer: 22,
  digestQuery: 23,
  digestAnswer: 24,
  auditHint: 25,
  // 18, 19 and 26 to 29 are those of batch-messages.ts.
} as const

/** Form of an exception in a read's answer that says: not a voter. */
const READ_ABSENCE = 2
/** Why a fetch brought no entries. */
export const FetchStatus = { ok: 0, needsSnapshot: 1 } as const

export interface PeerHandler extends BatchHandler {
  onAccept(
    block: number,
    instance: number,
    round: number,
    prevProcess: ProcessRef,
    prevCounter: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): void
  onAccepted(block: number, instance: number, round: number): void
  onRefused(block: number, instance: number, promisedRound: number): void
  onBehind(block: number, instance: number, chosen: number): void
  onAhead(block: number, chosen: number): void
  onPrepare(block: number, instance: number, round: number, prevProcess: ProcessRef, prevCounter: number): void
  /** `acceptedRound` is NO_ROUND if nothing was accepted. */
  onPromise(
    block: number,
    instance: number,
    round: number,
    acceptedRound: number,
    acceptedProcess: ProcessRef,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array | undefined,
  ): void
  onChosen(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number): void
  /** `question` numbers it: the answer says which one it answers. */
  onFetch(block: number, from: number, question: number): void
  onEntry(question: number, block: number, instance: number, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): void
  onEntriesEnd(question: number, block: number, chosen: number, status: number): void
  onReadRoundBlock(round: number, block: number, chosen: number): void
  onReadRoundEnd(round: number): void
  onReadException(
    round: number,
    block: number,
    chosen: number,
    acceptedRound: number,
    acceptedProcess: ProcessRef,
    valueProcess: ProcessRef,
    valueCounter: number,
  ): void
  /** The sender only learns the block. */
  onReadAbsence(round: number, block: number): void
  onReadAnswerEnd(round: number): void
  onForward(id: number, timeoutMs: number, body: Uint8Array): void
  onForwardAnswer(id: number, error: number, body: Uint8Array): void
  onSettle(block: number, instance: number): void
  onPosition(block: number, chosen: number): void
  onWantPositions(): void
  /** `votes` are the blocks that the sender votes in, BLOCK_SET_BYTES; undefined: all. */
  onHeartbeat(chosenTotal: number, chosenHash: number, votes: Uint8Array | undefined): void
  /** A learner asks for what may hold votes of its slot; the sender's incarnation is to be recorded first (design §4.4). */
  onBarrierQuery(question: number): void
  /** `votes` as in a heartbeat; `count` calls of `onBarrier` come before, for the blocks whose index is not 0. */
  onBarrier(block: number, index: number): void
  onBarrierEnd(question: number, votes: Uint8Array | undefined): void
  onDigestQuery(block: number): void
  /** The sender's digest of the block at its applied `index`. */
  onDigestAnswer(block: number, index: number, digest: string): void
  /** The sender has found the receiver's block to differ from that of a majority. */
  onAuditHint(block: number): void
}

/** Writes messages of one sender into frames. */
export class MessageWriter {
  private readonly processes: ProcessTable
  private readonly self: ProcessRef

  readonly batches: BatchWriter

  constructor(processes: ProcessTable, self: ProcessRef) {
    this.processes = processes
    this.self = self
    this.batches = new BatchWriter((w, process, counter) => this.valueId(w, process, counter))
  }

  private head(w: ByteWriter, kind: number, block: number, index: number): void {
    const at = w.claim(9)
    const { bytes, view } = w
    bytes[at] = kind
    view.setUint16(at + 1, block, true)
    view.setUint32(at + 3, index >>> 0, true)
    view.setUint16(at + 7, index / 0x1_0000_0000, true)
  }

  private valueId(w: ByteWriter, process: ProcessRef, counter: number): void {
    if (process === this.self) w.u8(1)
    else {
      w.u8(0)
      this.processes.write(w, process)
    }
    w.u48(counter)
  }

  accept(
    w: ByteWriter,
    block: number,
    instance: number,
    round: number,
    prevProcess: ProcessRef,
    prevCounter: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): void {
    this.head(w, Kind.accept, block, instance)
    w.u32(round)
    this.valueId(w, prevProcess, prevCounter)
    this.valueId(w, valueProcess, valueCounter)
    w.u32(entry.length)
    w.put(entry)
  }

  accepted(w: ByteWriter, block: number, instance: number, round: number): void {
    this.head(w, Kind.accepted, block, instance)
    w.u32(round)
  }

  refused(w: ByteWriter, block: number, instance: number, promisedRound: number): void {
    this.head(w, Kind.refused, block, instance)
    w.u32(promisedRound)
  }

  behind(w: ByteWriter, block: number, instance: number, chosen: number): void {
    this.head(w, Kind.behind, block, instance)
    w.u48(chosen)
  }

  ahead(w: ByteWriter, block: number, chosen: number): void {
    this.head(w, Kind.ahead, block, chosen)
  }

  prepare(w: ByteWriter, block: number, instance: number, round: number, prevProcess: ProcessRef, prevCounter: number): void {
    this.head(w, Kind.prepare, block, instance)
    w.u32(round)
    this.valueId(w, prevProcess, prevCounter)
  }

  promise(
    w: ByteWriter,
    block: number,
    instance: number,
    round: number,
    acceptedRound: number,
    acceptedProcess: ProcessRef,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array | undefined,
  ): void {
    this.head(w, Kind.promise, block, instance)
    w.u32(round)
    if (entry === undefined) {
      w.u8(0)
      return
    }
    w.u8(1)
    w.u32(acceptedRound)
    this.processes.write(w, acceptedProcess)
    this.valueId(w, valueProcess, valueCounter)
    w.u32(entry.length)
    w.put(entry)
  }

  chosen(w: ByteWriter, block: number, instance: number, valueProcess: ProcessRef, valueCounter: number): void {
    this.head(w, Kind.chosen, block, instance)
    this.valueId(w, valueProcess, valueCounter)
  }

  fetch(w: ByteWriter, block: number, from: number, question: number): void {
    this.head(w, Kind.fetch, block, from)
    w.u32(question)
  }

  entriesBegin(w: ByteWriter, block: number, first: number, question: number): number {
    this.head(w, Kind.entries, block, first)
    w.u32(question)
    w.u16(0)
    return w.length - 2
  }

  entry(w: ByteWriter, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): void {
    this.valueId(w, valueProcess, valueCounter)
    w.u32(entry.length)
    w.put(entry)
  }

  entriesEnd(w: ByteWriter, countAt: number, count: number, chosen: number, status: number): void {
    w.patchU16(countAt, count)
    w.u48(chosen)
    w.u8(status)
  }

  /** Opens a round; add `count` blocks with `readRoundBlock`. */
  readRound(w: ByteWriter, round: number, count: number): void {
    w.u8(Kind.readRound)
    w.u32(round)
    w.u32(count)
  }

  readRoundBlock(w: ByteWriter, block: number, chosen: number): void {
    w.u16(block)
    w.u48(chosen)
  }

  /** Opens an answer; returns where its count stands, for `readAnswerEnd`. */
  readAnswer(w: ByteWriter, round: number): number {
    w.u8(Kind.readAnswer)
    w.u32(round)
    w.u32(0)
    return w.length - 4
  }

  readException(
    w: ByteWriter,
    block: number,
    chosen: number,
    acceptedRound: number,
    acceptedProcess: ProcessRef,
    valueProcess: ProcessRef,
    valueCounter: number,
  ): void {
    w.u16(block)
    w.u48(chosen)
    if (acceptedRound === NO_ROUND) {
      w.u8(0)
      return
    }
    w.u8(1)
    w.u32(acceptedRound)
    this.processes.write(w, acceptedProcess)
    this.valueId(w, valueProcess, valueCounter)
  }

  /** In the place of an exception: the sender only learns the block. */
  readAbsence(w: ByteWriter, block: number): void {
    w.u16(block)
    w.u48(0)
    w.u8(READ_ABSENCE)
  }

  readAnswerEnd(w: ByteWriter, countAt: number, count: number): void {
    w.patchU32(countAt, count)
  }

  forward(w: ByteWriter, id: number, timeoutMs: number, body: Uint8Array): void {
    w.u8(Kind.forward)
    w.u32(id)
    w.u32(timeoutMs)
    w.u32(body.length)
    w.put(body)
  }

  forwardAnswer(w: ByteWriter, id: number, error: number, body: Uint8Array): void {
    w.u8(Kind.forwardAnswer)
    w.u32(id)
    w.u8(error)
    w.u32(body.length)
    w.put(body)
  }

  settle(w: ByteWriter, block: number, instance: number): void {
    this.head(w, Kind.settle, block, instance)
  }

  position(w: ByteWriter, block: number, chosen: number): void {
    this.head(w, Kind.positions, block, chosen)
  }

  wantPositions(w: ByteWriter): void {
    w.u8(Kind.wantPositions)
  }

  heartbeat(w: ByteWriter, chosenTotal: number, chosenHash: number, votes: BlockSet): void {
    w.u8(Kind.heartbeat)
    w.u48(chosenTotal)
    w.u32(chosenHash)
    writeVotes(w, votes)
  }

  barrierQuery(w: ByteWriter, question: number): void {
    w.u8(Kind.barrierQuery)
    w.u32(question)
  }

  /** Opens an answer; add blocks with `barrier`, then close it with `barrierEnd`. Returns where its count stands. */
  barrierAnswer(w: ByteWriter, question: number): number {
    w.u8(Kind.barrierAnswer)
    w.u32(question)
    w.u32(0)
    return w.length - 4
  }

  barrier(w: ByteWriter, block: number, index: number): void {
    w.u16(block)
    w.u48(index)
  }

  barrierEnd(w: ByteWriter, countAt: number, count: number, votes: BlockSet): void {
    w.patchU32(countAt, count)
    writeVotes(w, votes)
  }

  digestQuery(w: ByteWriter, block: number): void {
    w.u8(Kind.digestQuery)
    w.u16(block)
  }

  auditHint(w: ByteWriter, block: number): void {
    w.u8(Kind.auditHint)
    w.u16(block)
  }

  digestAnswer(w: ByteWriter, block: number, index: number, digest: string): void {
    this.head(w, Kind.digestAnswer, block, index)
    w.hex(digest)
  }
}

function writeVotes(w: ByteWriter, votes: BlockSet): void {
  w.u8(votes.isFull ? 1 : 0)
  if (!votes.isFull) w.put(votes.bits)
}

function readVotes(r: ByteReader): Uint8Array | undefined {
  return r.u8() === 1 ? undefined : r.take(BLOCK_SET_BYTES)
}

/** @throws DecodeError */
function atMost(count: number, most: number, what: string): number {
  if (count > most) throw new DecodeError(`${count} ${what} are more than ${most}`)
  return count
}

/** Reads the messages of a peer frame sent by `sender` and hands each to the handler, in order. */
export function readMessages(r: ByteReader, processes: ProcessTable, sender: ProcessRef, handler: PeerHandler): void {
  const from = processes.get(sender)
  let valueProcess: ProcessRef = 0
  let valueCounter = 0
  const readValueId = (): void => {
    valueProcess = r.u8() === 1 ? sender : processes.readFrom(r, from)
    valueCounter = r.u48()
  }
  const valueId = (): ValueId => {
    readValueId()
    return { valueProcess, valueCounter }
  }
  while (r.remaining > 0) {
    const kind = r.u8()
    switch (kind) {
      case Kind.accept: {
        const block = r.u16()
        const instance = r.u48()
        const round = r.u32()
        readValueId()
        const prevProcess = valueProcess
        const prevCounter = valueCounter
        readValueId()
        handler.onAccept(block, instance, round, prevProcess, prevCounter, valueProcess, valueCounter, r.take(r.u32()))
        break
      }
      case Kind.accepted:
        handler.onAccepted(r.u16(), r.u48(), r.u32())
        break
      case Kind.refused:
        handler.onRefused(r.u16(), r.u48(), r.u32())
        break
      case Kind.behind:
        handler.onBehind(r.u16(), r.u48(), r.u48())
        break
      case Kind.ahead:
        handler.onAhead(r.u16(), r.u48())
        break
      case Kind.prepare: {
        const block = r.u16()
        const instance = r.u48()
        const round = r.u32()
        readValueId()
        handler.onPrepare(block, instance, round, valueProcess, valueCounter)
        break
      }
      case Kind.promise: {
        const block = r.u16()
        const instance = r.u48()
        const round = r.u32()
        if (r.u8() === 0) {
          handler.onPromise(block, instance, round, NO_ROUND, 0, 0, 0, undefined)
          break
        }
        const acceptedRound = r.u32()
        const acceptedProcess = processes.readFrom(r, from)
        readValueId()
        handler.onPromise(block, instance, round, acceptedRound, acceptedProcess, valueProcess, valueCounter, r.take(r.u32()))
        break
      }
      case Kind.chosen: {
        const block = r.u16()
        const instance = r.u48()
        readValueId()
        handler.onChosen(block, instance, valueProcess, valueCounter)
        break
      }
      case Kind.fetch:
        handler.onFetch(r.u16(), r.u48(), r.u32())
        break
      case Kind.entries: {
        const block = r.u16()
        const first = r.u48()
        const question = r.u32()
        const count = atMost(r.u16(), FETCH_ENTRIES, 'entries')
        for (let i = 0; i < count; i++) {
          readValueId()
          handler.onEntry(question, block, first + i, valueProcess, valueCounter, r.take(r.u32()))
        }
        handler.onEntriesEnd(question, block, r.u48(), r.u8())
        break
      }
      case Kind.readRound: {
        const round = r.u32()
        for (let left = atMost(r.u32(), MAX_ROUND_BLOCKS, 'blocks of a read round'); left > 0; left--)
          handler.onReadRoundBlock(round, r.u16(), r.u48())
        handler.onReadRoundEnd(round)
        break
      }
      case Kind.readAnswer: {
        const round = r.u32()
        for (let left = atMost(r.u32(), MAX_ROUND_BLOCKS, 'answers of a read round'); left > 0; left--) {
          const block = r.u16()
          const chosen = r.u48()
          const form = r.u8()
          if (form === READ_ABSENCE) {
            handler.onReadAbsence(round, block)
            continue
          }
          if (form === 0) {
            handler.onReadException(round, block, chosen, NO_ROUND, 0, 0, 0)
            continue
          }
          const acceptedRound = r.u32()
          const acceptedProcess = processes.readFrom(r, from)
          readValueId()
          handler.onReadException(round, block, chosen, acceptedRound, acceptedProcess, valueProcess, valueCounter)
        }
        handler.onReadAnswerEnd(round)
        break
      }
      case Kind.forward:
        handler.onForward(r.u32(), r.u32(), r.take(r.u32()))
        break
      case Kind.forwardAnswer:
        handler.onForwardAnswer(r.u32(), r.u8(), r.take(r.u32()))
        break
      case Kind.settle:
        handler.onSettle(r.u16(), r.u48())
        break
      case Kind.positions:
        handler.onPosition(r.u16(), r.u48())
        break
      case Kind.wantPositions:
        handler.onWantPositions()
        break
      case Kind.heartbeat:
        handler.onHeartbeat(r.u48(), r.u32(), readVotes(r))
        break
      case Kind.barrierQuery:
        handler.onBarrierQuery(r.u32())
        break
      case Kind.barrierAnswer: {
        const question = r.u32()
        for (let left = atMost(r.u32(), BLOCK_COUNT, 'barriers'); left > 0; left--) handler.onBarrier(r.u16(), r.u48())
        handler.onBarrierEnd(question, readVotes(r))
        break
      }
      case Kind.digestQuery:
        handler.onDigestQuery(r.u16())
        break
      case Kind.digestAnswer:
        handler.onDigestAnswer(r.u16(), r.u48(), r.hex(8))
        break
      case Kind.auditHint:
        handler.onAuditHint(r.u16())
        break
      default:
        if (readBatchMessage(kind, r, valueId, handler)) break
        throw new DecodeError(`message kind ${kind} is not known`)
    }
  }
}
