/**
 * Messages about copies of blocks, which travel in batches. Their reader asks for a batch, is told what of it there is, pulls part after
 * part, and may drop it. Every message names the batch by the number of the question for it.
 *
 *     want   u8 18 | u32 question | u16 count | (u16 block | u48 least index | u8 must flush)*
 *     head   u8 19 | u32 question | u16 count | (u16 block | u48 index | value id)*
 *     part?  u8 26 | u32 question | u32 part
 *     part   u8 27 | u32 question | u32 part | u16 sync wait in ms | u32 bytes | part of native/src/snapshot.h; empty after the last
 *     gone   u8 28 | u32 question | u8 busy
 *     drop   u8 29 | u32 question
 *
 * Blocks ascend.
 */
import { type ByteReader, type ByteWriter, DecodeError } from '@thermocline/protocol'
import { MAX_BATCH_BLOCKS } from './constants.ts'
import type { ProcessRef } from './processes.ts'

export const BatchKind = { wantBatch: 18, batchHead: 19, wantPart: 26, batchPart: 27, batchGone: 28, dropBatch: 29 } as const

export interface ValueId {
  readonly valueProcess: ProcessRef
  readonly valueCounter: number
}

/** A block that is wanted in a batch: below index `atLeast` it is of no use to the sender. */
export interface BatchWant {
  readonly block: number
  readonly atLeast: number
  /** No log can replace the copy: what is not flushed is to be flushed. */
  readonly mustFlush: boolean
}

/** A block that is in a batch, at the position of its copy. */
export interface BatchContent extends ValueId {
  readonly block: number
  readonly index: number
}

export interface BatchHandler {
  /** `wants` ascend by block, 1 to MAX_BATCH_BLOCKS. `question` numbers the batch: every message about it says which one it is about. */
  onWantBatch(question: number, wants: readonly BatchWant[]): void
  /** What of the batch the sender has, ascending by block. */
  onBatchHead(question: number, contents: readonly BatchContent[]): void
  onWantPart(question: number, part: number): void
  /** An empty part ends the batch. `syncWaitMs` is how long the sender's log write under way has taken. */
  onBatchPart(question: number, part: number, syncWaitMs: number, bytes: Uint8Array): void
  /** The sender gives nothing of the batch, or no more: it is busy with others, or could not read it. */
  onBatchGone(question: number, isBusy: boolean): void
  /** The sender wants nothing more of the batch. */
  onDropBatch(question: number): void
}

/** Writes the messages of one sender into frames. */
export class BatchWriter {
  private readonly valueId: (w: ByteWriter, process: ProcessRef, counter: number) => void

  constructor(valueId: (w: ByteWriter, process: ProcessRef, counter: number) => void) {
    this.valueId = valueId
  }

  want(w: ByteWriter, question: number, wants: readonly BatchWant[]): void {
    w.u8(BatchKind.wantBatch)
    w.u32(question)
    w.u16(wants.length)
    for (const { block, atLeast, mustFlush } of wants) {
      w.u16(block)
      w.u48(atLeast)
      w.u8(mustFlush ? 1 : 0)
    }
  }

  head(w: ByteWriter, question: number, contents: readonly BatchContent[]): void {
    w.u8(BatchKind.batchHead)
    w.u32(question)
    w.u16(contents.length)
    for (const { block, index, valueProcess, valueCounter } of contents) {
      w.u16(block)
      w.u48(index)
      this.valueId(w, valueProcess, valueCounter)
    }
  }

  wantPart(w: ByteWriter, question: number, part: number): void {
    w.u8(BatchKind.wantPart)
    w.u32(question)
    w.u32(part)
  }

  part(w: ByteWriter, question: number, part: number, syncWaitMs: number, bytes: Uint8Array): void {
    w.u8(BatchKind.batchPart)
    w.u32(question)
    w.u32(part)
    w.u16(syncWaitMs)
    w.u32(bytes.length)
    w.put(bytes)
  }

  gone(w: ByteWriter, question: number, isBusy: boolean): void {
    w.u8(BatchKind.batchGone)
    w.u32(question)
    w.u8(isBusy ? 1 : 0)
  }

  drop(w: ByteWriter, question: number): void {
    w.u8(BatchKind.dropBatch)
    w.u32(question)
  }
}

/** @throws DecodeError unless there are `least` to MAX_BATCH_BLOCKS. */
function readBatch<T extends { readonly block: number }>(r: ByteReader, least: number, read: (block: number) => T): T[] {
  const items: T[] = []
  let before = -1
  const count = r.u16()
  if (count < least || count > MAX_BATCH_BLOCKS)
    throw new DecodeError(`a batch of ${count} blocks is not one of ${least} to ${MAX_BATCH_BLOCKS}`)
  for (let left = count; left > 0; left--) {
    const block = r.u16()
    if (block <= before) throw new DecodeError(`block ${block} of a batch does not follow block ${before}`)
    before = block
    items.push(read(block))
  }
  return items
}

/** @throws DecodeError unless it is 0 or 1. */
function readFlag(r: ByteReader, what: string): boolean {
  const flag = r.u8()
  if (flag > 1) throw new DecodeError(`${what} is ${flag}, not 0 or 1`)
  return flag === 1
}

/** Reads what follows the kind of a message, and hands it to the handler; false if it is none of these. @throws DecodeError */
export function readBatchMessage(kind: number, r: ByteReader, readValueId: () => ValueId, handler: BatchHandler): boolean {
  switch (kind) {
    case BatchKind.wantBatch: {
      const question = r.u32()
      handler.onWantBatch(
        question,
        readBatch(r, 1, (block) => ({ block, atLeast: r.u48(), mustFlush: readFlag(r, 'whether a block of a batch must be flushed') })),
      )
      return true
    }
    case BatchKind.batchHead: {
      const question = r.u32()
      const contents = readBatch(r, 0, (block) => {
        const index = r.u48()
        return { block, index, ...readValueId() }
      })
      handler.onBatchHead(question, contents)
      return true
    }
    case BatchKind.wantPart:
      handler.onWantPart(r.u32(), r.u32())
      return true
    case BatchKind.batchPart:
      handler.onBatchPart(r.u32(), r.u32(), r.u16(), r.take(r.u32()))
      return true
    case BatchKind.batchGone:
      handler.onBatchGone(r.u32(), readFlag(r, 'whether the sender of a batch is busy'))
      return true
    case BatchKind.dropBatch:
      handler.onDropBatch(r.u32())
      return true
    default:
      return false
  }
}
