/**
 * Records of the shared log. A *write* is what one sync makes durable: a head, then records, padded to WRITE_ALIGN:
 *
 *     u32 magic | u32 crc32 of all that follows, seeded | u32 body bytes | u32 tag | u32 offset | u48 write | u48 previous
 *
 * Tag and seed are random, belong to one life of one segment of one volume, and stand in its head alone. So neither what an
 * earlier life of a recycled segment left behind (⚖11), nor another volume's writes, nor bytes that a client chose for a value
 * can be taken for a write. `previous` is the number of the write before it: a missing write shows as a break in the chain.
 *
 *     promise    u8 1 | u16 block | u48 instance | ballot
 *     accept     u8 2 | u16 block | u48 instance | ballot | value id of instance−1 | value id | u32 length | entry
 *     learned    u8 3 | u16 block | u48 instance | value id | u32 length | entry
 *     chosen     u8 4 | u16 block | u48 instance | value id
 *     peer       u8 5 | u8 replica | incarnation | u32 boot | 8 bytes nonce | u48 write
 *     copyBegin  u8 6 | u16 block
 *     copyEnd    u8 7 | u16 block | u48 index | value id
 *     boot       u8 8 | u32 boot
 *     votes      u8 9 | u32 count | (u16 first | u16 last)*: blocks that a replica which had to learn votes in again
 *     aside      u8 11 | u16 block | u48 index | value id: its content is wrong, though everything up to the index is chosen
 *     named      u8 10 | u8 replica | incarnation: the highest that anybody has named of it
 *
 * ballot = u32 round | process; value id = process | u48 counter.
 */
import { type ByteReader, type ByteWriter, DecodeError, type Incarnation, readIncarnation, writeIncarnation } from '@thermocline/protocol'
import type { BlockSet } from '../paxos/block-set.ts'
import type { ProcessRef, ProcessTable } from '../paxos/processes.ts'

export const RecordType = {
  promise: 1,
  accept: 2,
  learned: 3,
  chosen: 4,
  peer: 5,
  copyBegin: 6,
  copyEnd: 7,
  boot: 8,
  votes: 9,
  named: 10,
  aside: 11,
} as const

/** What a replica remembers of a peer's volume, to notice when it was rolled back (⚖5). */
export interface PeerMemory {
  readonly replica: number
  readonly incarnation: Incarnation
  readonly boot: number
  /** 16 hexadecimal digits. */
  readonly nonce: string
  readonly write: number
}

export interface RecordHandler {
  onPromise(block: number, instance: number, round: number, process: ProcessRef): void
  onAccept(
    block: number,
    instance: number,
    round: number,
    process: ProcessRef,
    prevProcess: ProcessRef,
    prevCounter: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): void
  onLearned(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): void
  onChosen(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number): void
  onPeer(memory: PeerMemory): void
  onCopyBegin(block: number): void
  onCopyEnd(block: number, index: number, valueProcess: ProcessRef, valueCounter: number): void
  onBoot(boot: number): void
  onVotes(firstBlock: number, lastBlock: number): void
  onNamed(replica: number, incarnation: Incarnation): void
  onAside(block: number, index: number, valueProcess: ProcessRef, valueCounter: number): void
}

export class RecordWriter {
  private readonly processes: ProcessTable

  constructor(processes: ProcessTable) {
    this.processes = processes
  }

  private head(w: ByteWriter, type: number, block: number, index: number): void {
    w.u8(type)
    w.u16(block)
    w.u48(index)
  }

  private valueId(w: ByteWriter, process: ProcessRef, counter: number): void {
    this.processes.write(w, process)
    w.u48(counter)
  }

  promise(w: ByteWriter, block: number, instance: number, round: number, process: ProcessRef): void {
    this.head(w, RecordType.promise, block, instance)
    w.u32(round)
    this.processes.write(w, process)
  }

  accept(
    w: ByteWriter,
    block: number,
    instance: number,
    round: number,
    process: ProcessRef,
    prevProcess: ProcessRef,
    prevCounter: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): void {
    this.head(w, RecordType.accept, block, instance)
    w.u32(round)
    this.processes.write(w, process)
    this.valueId(w, prevProcess, prevCounter)
    this.valueId(w, valueProcess, valueCounter)
    w.u32(entry.length)
    w.put(entry)
  }

  learned(w: ByteWriter, block: number, instance: number, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): void {
    this.head(w, RecordType.learned, block, instance)
    this.valueId(w, valueProcess, valueCounter)
    w.u32(entry.length)
    w.put(entry)
  }

  chosen(w: ByteWriter, block: number, instance: number, valueProcess: ProcessRef, valueCounter: number): void {
    this.head(w, RecordType.chosen, block, instance)
    this.valueId(w, valueProcess, valueCounter)
  }

  peer(w: ByteWriter, memory: PeerMemory): void {
    w.u8(RecordType.peer)
    w.u8(memory.replica)
    writeIncarnation(w, memory.incarnation)
    w.u32(memory.boot)
    w.hex(memory.nonce)
    w.u48(memory.write)
  }

  copyBegin(w: ByteWriter, block: number): void {
    w.u8(RecordType.copyBegin)
    w.u16(block)
  }

  copyEnd(w: ByteWriter, block: number, index: number, valueProcess: ProcessRef, valueCounter: number): void {
    this.head(w, RecordType.copyEnd, block, index)
    this.valueId(w, valueProcess, valueCounter)
  }

  aside(w: ByteWriter, block: number, index: number, valueProcess: ProcessRef, valueCounter: number): void {
    this.head(w, RecordType.aside, block, index)
    this.valueId(w, valueProcess, valueCounter)
  }

  boot(w: ByteWriter, boot: number): void {
    w.u8(RecordType.boot)
    w.u32(boot)
  }

  named(w: ByteWriter, replica: number, incarnation: Incarnation): void {
    w.u8(RecordType.named)
    w.u8(replica)
    writeIncarnation(w, incarnation)
  }

  votes(w: ByteWriter, votes: BlockSet): void {
    const ranges = votes.ranges()
    w.u8(RecordType.votes)
    w.u32(ranges.length / 2)
    for (const block of ranges) w.u16(block)
  }
}

/** Reads one record and hands it to the handler. @throws DecodeError on anything malformed. */
export function readRecord(r: ByteReader, processes: ProcessTable, handler: RecordHandler): void {
  const type = r.u8()
  switch (type) {
    case RecordType.promise:
      handler.onPromise(r.u16(), r.u48(), r.u32(), processes.read(r))
      break
    case RecordType.accept: {
      const block = r.u16()
      const instance = r.u48()
      const round = r.u32()
      const process = processes.read(r)
      const prevProcess = processes.read(r)
      const prevCounter = r.u48()
      const valueProcess = processes.read(r)
      const valueCounter = r.u48()
      handler.onAccept(block, instance, round, process, prevProcess, prevCounter, valueProcess, valueCounter, r.take(r.u32()))
      break
    }
    case RecordType.learned: {
      const block = r.u16()
      const instance = r.u48()
      const valueProcess = processes.read(r)
      const valueCounter = r.u48()
      handler.onLearned(block, instance, valueProcess, valueCounter, r.take(r.u32()))
      break
    }
    case RecordType.chosen:
      handler.onChosen(r.u16(), r.u48(), processes.read(r), r.u48())
      break
    case RecordType.peer: {
      const replica = r.u8()
      const incarnation = readIncarnation(r)
      const boot = r.u32()
      const nonce = r.hex(8)
      handler.onPeer({ replica, incarnation, boot, nonce, write: r.u48() })
      break
    }
    case RecordType.copyBegin:
      handler.onCopyBegin(r.u16())
      break
    case RecordType.copyEnd:
      handler.onCopyEnd(r.u16(), r.u48(), processes.read(r), r.u48())
      break
    case RecordType.aside:
      handler.onAside(r.u16(), r.u48(), processes.read(r), r.u48())
      break
    case RecordType.boot:
      handler.onBoot(r.u32())
      break
    case RecordType.named:
      handler.onNamed(r.u8(), readIncarnation(r))
      break
    case RecordType.votes:
      for (let left = r.u32(); left > 0; left--) handler.onVotes(r.u16(), r.u16())
      break
    default:
      throw new DecodeError(`log record type ${type} is not known`)
  }
}

export const WRITE_MAGIC = 0x31574c54 // "TLW1"
export const WRITE_HEAD_BYTES = 32
/** Writes start at multiples of this: a torn write never shares a sector with its neighbour, and scanning is cheap. */
export const WRITE_ALIGN = 512
