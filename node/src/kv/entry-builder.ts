/**
 * Builds the entry of an instance from a block's waiting writes (format and rules: protocol/src/entry.ts).
 *
 * Each write is looked up at the applied index i−1: a known request id is answered at once; conditions are decided, and
 * the entry carries the outcome together with the hash and size of each old record, so that followers apply without
 * reading. An entry holds at most one operation per record: a write that touches a record of an earlier one in this
 * entry waits for the next instance, and with it everything behind it, so that writes of one caller keep their order.
 */
import {
  ByteWriter,
  Condition,
  ERRORS,
  MAX_ENTRY_BYTES,
  MAX_ENTRY_REQUESTS,
  MAX_ID_SEQ,
  OP_HEADER_BYTES,
  OpKind,
  REQUEST_ID_BYTES,
  sealEntry,
  WriteKind,
  writeEntryHeader,
} from '@thermocline/protocol'
import { type Engine, NEEDS_IO } from '../engine/port.ts'
import { type BlockState, Phase } from '../paxos/block-state.ts'
import type { EntrySource } from '../paxos/core.ts'
import type { PendingWrite } from '../paxos/pending.ts'
import { writeAnswer, writeFailure } from './answers.ts'
import { WRITE_OP_HEAD_BYTES, WRITE_SERIES_AT } from './write-body.ts'

/** Bytes of an answer as the engine reports it: outcome, index, detail. */
const ANSWER_BYTES = 15
const PEEK_HEAD_BYTES = 1 + ANSWER_BYTES + 2
const PEEK_OP_BYTES = 19
const DETAIL_BYTES = 8
/** Entries are cut from slabs of this size; one that takes more than a part of it gets bytes of its own. */
const SLAB_BYTES = 64 * 1024
const MAX_SLAB_PART = 8 * 1024
/** Where a node's table has room, the horizon of a block is looked at once in so many entries. */
const HORIZON_EVERY = 64
/** The last entries of a block, whose answers an entry with requests keeps: the stamps of requests under way are of about there. */
const KEPT_ENTRIES = 16
/** Where it has little room, answers are kept for as long as a request may wait, and no longer. */
export const PRESSED_AGE_MS = 30_000

/** An append looks for a free id this often before it leaves the millisecond. */
const APPEND_TRIES = 16

export interface EntryBuilderOptions {
  readonly engine: Engine
  /** Wall clock in ms: ids of appends, and when an entry says that it was proposed; never part of a safety argument. */
  readonly wallClockMs: () => number
  /** Clock of the process, which never goes back: the age of answers. */
  readonly nowMs: () => number
  /** Answers that the node remembers at most, of all blocks together, and for how long at least what the bound allows. */
  readonly maxAnswers: number
  readonly answerAgeMs: number
  /** 16 random bytes that no client can guess. */
  readonly digestKey: () => Uint8Array
  /** A disk read for a write has ended: go on with its block in `phase`. */
  readonly resume: (state: BlockState, phase: number, read: number) => void
}

/** How a write goes into the entry being built. */
const Put = { added: 0, answered: 1, conflict: 2, full: 3, reading: 4 } as const

export class EntryBuilder implements EntrySource {
  private readonly options: EntryBuilderOptions
  private readonly writer = new ByteWriter(64 * 1024)
  private slab = new Uint8Array(SLAB_BYTES)
  private slabUsed = 0
  private peeked = new Uint8Array(64 * 1024)
  private peekedView = new DataView(this.peeked.buffer)
  private readonly touched = new Set<number>()

  constructor(options: EntryBuilderOptions) {
    this.options = options
  }

  build(state: BlockState): Uint8Array | undefined {
    const { writer } = this
    const countAt = this.begin(state)
    this.touched.clear()
    const inFlight: PendingWrite[] = []
    let taken = 0
    for (const write of state.queue) {
      if (inFlight.length === MAX_ENTRY_REQUESTS) break
      const put = write.isAnswered ? Put.answered : this.add(state, write, inFlight.length === 0)
      if (put === Put.reading && inFlight.length === 0) {
        state.queue = state.queue.slice(taken)
        return undefined
      }
      if (put > Put.answered) break
      taken++
      if (put === Put.added) inFlight.push(write)
    }
    state.queue = taken === state.queue.length ? [] : state.queue.slice(taken)
    if (inFlight.length === 0) return undefined
    state.inFlight = inFlight
    writer.patchU16(countAt, inFlight.length)
    return this.keep()
  }

  noop(state: BlockState): Uint8Array {
    this.begin(state)
    return this.keep()
  }

  /** Writes the head of the block's next entry; returns where its request count stands. */
  private begin(state: BlockState): number {
    const { digestKey, wallClockMs } = this.options
    this.writer.reset()
    return writeEntryHeader(this.writer, this.horizon(state, true), wallClockMs(), state.chosen === 0 ? digestKey() : undefined)
  }

  /** A copy of the entry just built. An array buffer for each would be a heavy load to collect. */
  private keep(): Uint8Array {
    const { writer } = this
    sealEntry(writer)
    if (writer.length > MAX_SLAB_PART) return writer.copy()
    if (this.slabUsed + writer.length > SLAB_BYTES) {
      this.slab = new Uint8Array(SLAB_BYTES)
      this.slabUsed = 0
    }
    const entry = this.slab.subarray(this.slabUsed, this.slabUsed + writer.length)
    entry.set(writer.written())
    this.slabUsed += writer.length
    return entry
  }

  fail(write: PendingWrite, code: 'busy' | 'unknown' | 'unavailable', message: string): void {
    write.answer(ERRORS[code].number, writeFailure(0, 0, message))
  }

  /**
   * A block may keep as many answers as there is room for in the table of the whole node: the fuller it is, the fewer each block
   * keeps, and all blocks together stay within the bound. An entry without requests may drop all that its age allows; one with
   * requests keeps what their stamps need.
   */
  private horizon(state: BlockState, isNoop: boolean): number {
    const { engine, maxAnswers } = this.options
    const room = Math.max(0, maxAnswers - engine.answersRemembered)
    const isPressed = room < maxAnswers / 2
    if (!isNoop && !isPressed && state.chosen % HORIZON_EVERY !== 0) return 0
    const horizon = engine.proposeHorizon(state.block, room, this.options.nowMs() - answerAge(this.options, engine))
    return isNoop ? horizon : Math.min(horizon, Math.max(0, state.chosen - KEPT_ENTRIES))
  }

  private add(state: BlockState, write: PendingWrite, isFirst: boolean): number {
    const size = write.body.length + write.opCount * (OP_HEADER_BYTES - WRITE_OP_HEAD_BYTES) + 16
    if (!isFirst && this.writer.length + size > MAX_ENTRY_BYTES) return Put.full
    const isRead = write.isAppend ? this.assignId(state, write) : this.peek(state, write)
    if (!isRead) return this.read(state, write)
    if (this.peeked[0] === 1) {
      const { outcome, index } = knownAnswer(this.peekedView)
      const [error, body] = writeAnswer(outcome, index, this.peeked, 8)
      write.answer(error, body)
      return Put.answered
    }
    if (!this.claimRecords(write)) return Put.conflict
    this.encode(write)
    return Put.added
  }

  /** Looks the write up in the engine, or takes what a disk read said at this very index. */
  private peek(state: BlockState, write: PendingWrite): boolean {
    const need = PEEK_HEAD_BYTES + PEEK_OP_BYTES * write.opCount
    if (this.peeked.length < need) {
      this.peeked = new Uint8Array(need)
      this.peekedView = new DataView(this.peeked.buffer)
    }
    if (write.peeked !== undefined && write.peekedIndex === state.chosen) {
      this.peeked.set(write.peeked)
      write.peeked = undefined
      return true
    }
    write.peeked = undefined
    return this.options.engine.peek(state.block, write.body, 0, write.body.length, this.peeked) !== NEEDS_IO
  }

  /** Starts the disk read that the write needs. */
  private read(state: BlockState, write: PendingWrite): number {
    const resumePhase = state.phase
    const index = state.chosen
    const out = new Uint8Array(PEEK_HEAD_BYTES + PEEK_OP_BYTES * write.opCount)
    if (resumePhase === Phase.reading) return Put.reading
    state.phase = Phase.reading
    const read = ++state.read
    this.options.engine
      .peekAsync(state.block, write.body, 0, write.body.length, out)
      .then(
        () => {
          write.peeked = out
          write.peekedIndex = index
        },
        (error: unknown) => this.fail(write, write.carried ? 'unknown' : 'unavailable', `the engine could not read: ${String(error)}`),
      )
      .finally(() => this.options.resume(state, resumePhase, read))
    return Put.reading
  }

  /**
   * Gives an append the next id that is free; false if only the disk can tell. What a disk read has said holds for the id
   * that it was asked about: that one is looked at first.
   */
  private assignId(state: BlockState, write: PendingWrite): boolean {
    const isRead = write.peeked !== undefined && write.peekedIndex === state.chosen
    if (isRead && this.peek(state, write) && this.isFree()) return true
    const now = this.options.wallClockMs()
    for (let tries = 0; ; tries++) {
      if (now > state.lastAppendMs || tries >= APPEND_TRIES || state.lastAppendSeq === MAX_ID_SEQ) {
        state.lastAppendMs = Math.max(now, state.lastAppendMs + 1)
        state.lastAppendSeq = 0
      } else state.lastAppendSeq++
      const idAt = write.opsAt + 2 + 8
      write.view.setUint32(idAt, state.lastAppendMs / 0x1_0000)
      write.view.setUint16(idAt + 4, state.lastAppendMs % 0x1_0000)
      write.view.setUint16(idAt + 6, state.lastAppendSeq)
      write.peeked = undefined
      if (!this.peek(state, write)) return false
      if (this.isFree()) return true
    }
  }

  /** The request looked up last is answered already, or its first record does not exist. */
  private isFree(): boolean {
    return this.peeked[0] === 1 || this.peeked[PEEK_HEAD_BYTES] === 0
  }

  /** False if an earlier write of this entry has an operation on one of the records. */
  private claimRecords(write: PendingWrite): boolean {
    const keys: number[] = []
    let at = write.opsAt + 2
    for (let i = 0; i < write.opCount; i++) {
      const high = write.view.getUint32(at + 8)
      const low = write.view.getUint32(at + 12)
      // 53 bits of series and id; a collision only makes a write wait for the next instance.
      const key =
        ((write.seriesFingerprint ^ Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b)) >>> 0) * 0x20_0000 + (low & 0x1f_ffff)
      if (this.touched.has(key)) return false
      keys.push(key)
      at += WRITE_OP_HEAD_BYTES + write.view.getUint32(at + 16, true)
    }
    for (const key of keys) this.touched.add(key)
    return true
  }

  private encode(write: PendingWrite): void {
    const { writer } = this
    const failed = failedCondition(write, this.peekedView)
    writer.put(write.body, 0, REQUEST_ID_BYTES + 6)
    writer.u8(failed < 0 ? 0 : ERRORS.precondition_failed.number)
    const detailAt = writer.claim(DETAIL_BYTES)
    writer.bytes.fill(0, detailAt, detailAt + DETAIL_BYTES)
    writer.put(write.body, WRITE_SERIES_AT, write.opsAt)
    if (failed >= 0) {
      this.copyVersion(detailAt, failed)
      writer.u16(0)
      return
    }
    if (write.isAppend) this.copyId(detailAt, write)
    else if (write.opCount === 1 && write.body[write.opsAt + 2] === WriteKind.delete) this.copyVersion(detailAt, 0)
    writer.u16(write.opCount)
    this.encodeOps(write)
  }

  private copyVersion(detailAt: number, op: number): void {
    const at = PEEK_HEAD_BYTES + PEEK_OP_BYTES * op + 1
    this.writer.bytes.set(this.peeked.subarray(at, at + 6), detailAt)
  }

  private copyId(detailAt: number, write: PendingWrite): void {
    const at = write.opsAt + 2 + 8
    this.writer.bytes.set(write.body.subarray(at, at + 8), detailAt)
  }

  private encodeOps(write: PendingWrite): void {
    const { writer } = this
    let from = write.opsAt + 2
    let old = PEEK_HEAD_BYTES
    for (let i = 0; i < write.opCount; i++) {
      const length = write.view.getUint32(from + 16, true)
      const at = writer.claim(OP_HEADER_BYTES)
      writer.bytes[at] = write.body[from] === WriteKind.delete ? OpKind.delete : OpKind.put
      for (let b = 0; b < 8; b++) writer.bytes[at + 1 + b] = write.body[from + 8 + b] as number
      writer.bytes[at + 9] = this.peeked[old] as number
      // Size and hash of the old record, as the engine says them.
      for (let b = 0; b < 12; b++) writer.bytes[at + 10 + b] = this.peeked[old + 7 + b] as number
      writer.view.setUint32(at + 22, length, true)
      from += WRITE_OP_HEAD_BYTES
      writer.put(write.body, from, from + length)
      from += length
      old += PEEK_OP_BYTES
    }
  }
}

/** How old an answer must be to be forgotten: less where the table is more than half full. */
export function answerAge({ maxAnswers, answerAgeMs }: Pick<EntryBuilderOptions, 'maxAnswers' | 'answerAgeMs'>, engine: Engine): number {
  return engine.answersRemembered > maxAnswers / 2 ? Math.min(answerAgeMs, PRESSED_AGE_MS) : answerAgeMs
}

/** The first operation whose condition does not hold, −1 if all do. */
function failedCondition(write: PendingWrite, peeked: DataView): number {
  let at = write.opsAt + 2
  let old = PEEK_HEAD_BYTES
  for (let i = 0; i < write.opCount; i++) {
    const condition = write.body[at + 1]
    if (condition !== Condition.none) {
      const exists = peeked.getUint8(old) === 1
      if (condition === Condition.ifAbsent && exists) return i
      if (condition === Condition.ifVersion && u48At(write.view, at + 2) !== (exists ? u48At(peeked, old + 1) : 0)) return i
    }
    at += WRITE_OP_HEAD_BYTES + write.view.getUint32(at + 16, true)
    old += PEEK_OP_BYTES
  }
  return -1
}

function knownAnswer(peeked: DataView): { outcome: number; index: number } {
  return { outcome: peeked.getUint8(1), index: u48At(peeked, 2) }
}

export function u48At(view: DataView, at: number): number {
  return view.getUint16(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
}
