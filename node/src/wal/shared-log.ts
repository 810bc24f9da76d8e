/**
 * The shared log: one append-only sequence of writes for all blocks of a node, one write and one sync per tick
 * (design §4.3). While a write is being synced, records gather in the next one; a tick is "the previous sync finished".
 *
 * Invariants: write N+1 starts only after sync N returned (⚖12); a failed write ends the log for good, and the process
 * with it; chosen marks never cause a write of their own (⚖11); numbers of writes never repeat, also across boots.
 */
import { ByteReader, ByteWriter, type Incarnation, MAX_ENTRY_BYTES } from '@thermocline/protocol'
import type { BlockSet } from '../paxos/block-set.ts'
import type { LogSink } from '../paxos/core.ts'
import type { ProcessRef, ProcessTable } from '../paxos/processes.ts'
import { EntryIndex } from './entry-index.ts'
import { type PeerMemory, type RecordHandler, RecordWriter, readRecord, WRITE_HEAD_BYTES } from './records.ts'
import { alignUp, type Segment, sealWrite } from './segment.ts'
import type { SegmentPool } from './segment-pool.ts'
import { WriteReader } from './write-reader.ts'

/** A write is closed at this size, or at a quarter of a segment if that is less; what follows goes into the next. */
const WRITE_LIMIT_BYTES = 2 * 1024 * 1024
/** Longest write: one at its limit takes one more record, of the longest entry. */
export const MAX_WRITE_BYTES = WRITE_LIMIT_BYTES + MAX_ENTRY_BYTES + 4096

export interface LoggedEntry {
  readonly valueProcess: ProcessRef
  readonly valueCounter: number
  readonly entry: Uint8Array
}

interface Filling {
  number: number
  writer: ByteWriter
  /** Records that must become durable; marks alone do not count. */
  urgent: boolean
  /** (block, instance, start, length) of each entry in `writer`. */
  entries: number[]
}

/** What replay found, and where this boot goes on. */
export interface LogStart {
  readonly pool: SegmentPool
  readonly index: EntryIndex
  /** Number of the last write found at replay. */
  readonly lastWrite: number
  /** Number of the first write of this boot. */
  readonly firstWrite: number
}

export interface SharedLogOptions {
  readonly processes: ProcessTable
  readonly onDurable: (write: number) => void
  readonly onFailure: (error: Error) => void
  /** What was durable cannot be read any more. */
  readonly onDamage: (message: string) => void
  /** Adds what rides along (chosen marks, peers' positions) just before a write leaves. */
  readonly beforeWrite: () => void
}

export class SharedLog implements LogSink {
  private readonly options: SharedLogOptions
  private readonly records: RecordWriter
  private filling: Filling
  /** Closed by size, waiting for their turn. */
  private readonly closed: Filling[] = []
  private spare: ByteWriter[] = []
  private isWriting = false
  /** Taken to be written, and not in the index yet: a new segment is being made ready for it. */
  private starting: Filling | undefined
  private readonly reader: WriteReader
  private waiters: (() => void)[] = []
  private lastStarted = 0
  private index = new EntryIndex()
  pool!: SegmentPool
  private writeLimitBytes = WRITE_LIMIT_BYTES
  durableWrite = 0
  bytesWritten = 0
  syncs = 0

  constructor(options: SharedLogOptions) {
    this.options = options
    this.records = new RecordWriter(options.processes)
    this.reader = new WriteReader(options.onDamage)
    this.filling = this.fresh(0)
  }

  /** Takes over what replay found; nothing may be appended before. */
  open(start: LogStart): void {
    this.pool = start.pool
    this.writeLimitBytes = Math.min(WRITE_LIMIT_BYTES, start.pool.segmentBytes / 4)
    this.index = start.index
    this.durableWrite = start.lastWrite
    this.lastStarted = start.lastWrite
    this.filling = this.fresh(start.firstWrite)
  }

  /** True while a write is being synced. */
  get isBusy(): boolean {
    return this.isWriting
  }

  get indexBytes(): number {
    return this.index.memoryBytes
  }

  private fresh(number: number): Filling {
    const writer = this.spare.pop() ?? new ByteWriter(256 * 1024)
    writer.reset()
    writer.claim(WRITE_HEAD_BYTES)
    return { number, writer, urgent: false, entries: [] }
  }

  /** Number of the write that takes what is appended now. */
  get fillingWrite(): number {
    return this.filling.number
  }

  /** Bytes waiting to be written. */
  get pendingBytes(): number {
    let bytes = this.filling.writer.length
    for (const closed of this.closed) bytes += closed.writer.length
    return bytes
  }

  private room(urgent: boolean): ByteWriter {
    if (this.filling.writer.length >= this.writeLimitBytes) {
      this.closed.push(this.filling)
      this.filling = this.fresh(this.filling.number + 1)
    }
    if (urgent) this.filling.urgent = true
    return this.filling.writer
  }

  promise(block: number, instance: number, round: number, process: ProcessRef): number {
    this.records.promise(this.room(true), block, instance, round, process)
    return this.filling.number
  }

  accept(
    block: number,
    instance: number,
    round: number,
    process: ProcessRef,
    prevProcess: ProcessRef,
    prevCounter: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): number {
    const w = this.room(true)
    const from = w.length
    this.records.accept(w, block, instance, round, process, prevProcess, prevCounter, valueProcess, valueCounter, entry)
    this.filling.entries.push(block, instance, from, w.length - from)
    return this.filling.number
  }

  learned(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): number {
    const w = this.room(true)
    const from = w.length
    this.records.learned(w, block, instance, valueProcess, valueCounter, entry)
    this.filling.entries.push(block, instance, from, w.length - from)
    return this.filling.number
  }

  /** A mark: rides in the next write that something else causes. */
  chosen(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number): void {
    this.records.chosen(this.room(false), block, instance, valueProcess, valueCounter)
  }

  /** Rides along, like a mark. */
  peer(memory: PeerMemory): number {
    this.records.peer(this.room(false), memory)
    return this.filling.number
  }

  boot(boot: number): number {
    this.records.boot(this.room(true), boot)
    return this.filling.number
  }

  /** Rides along, like a mark. */
  named(replica: number, incarnation: Incarnation): void {
    this.records.named(this.room(false), replica, incarnation)
  }

  votes(votes: BlockSet): number {
    this.records.votes(this.room(true), votes)
    return this.filling.number
  }

  copyBegin(block: number): number {
    this.records.copyBegin(this.room(true), block)
    return this.filling.number
  }

  copyEnd(block: number, index: number, valueProcess: ProcessRef, valueCounter: number): number {
    this.records.copyEnd(this.room(true), block, index, valueProcess, valueCounter)
    return this.filling.number
  }

  aside(block: number, index: number, valueProcess: ProcessRef, valueCounter: number): number {
    this.records.aside(this.room(true), block, index, valueProcess, valueCounter)
    return this.filling.number
  }

  /** Makes the next write leave even if only marks wait; returns its number. */
  force(): number {
    this.room(true)
    return this.filling.number
  }

  /** Starts the next write, if something urgent waits, none is under way, and there is room for it. */
  start(): void {
    if (this.isWriting || (this.closed.length === 0 && !this.filling.urgent)) return
    if (this.closed.length === 0) this.options.beforeWrite()
    const next = this.closed[0] ?? this.filling
    const { active } = this.pool
    const fits = active !== undefined && active.end + alignUp(next.writer.length) <= this.pool.segmentBytes
    if (!fits && !this.pool.hasSpare) {
      this.pool.prepare()
      return
    }
    if (this.closed.length > 0) this.closed.shift()
    else this.takeFilling()
    this.isWriting = true
    this.starting = next
    if (fits) this.put(active, next)
    else this.roll(next)
  }

  private takeFilling(): void {
    this.filling = this.fresh(this.filling.number + 1)
  }

  private roll(next: Filling): void {
    this.pool.activate((error) => {
      if (error !== undefined) {
        this.options.onFailure(error)
        return
      }
      this.index.forgetBefore(this.pool.oldestGeneration)
      this.put(this.pool.active as Segment, next)
    })
  }

  private put(segment: Segment, next: Filling): void {
    const { index } = this
    // The largest entry and a write at its limit are less than half a segment; past the end nothing would be found again.
    if (segment.end + alignUp(next.writer.length) > this.pool.segmentBytes)
      throw new Error(`a write of ${next.writer.length} bytes at ${segment.end} does not fit a segment of ${this.pool.segmentBytes}`)
    this.starting = undefined
    const offset = segment.end
    const bytes = sealWrite(next.writer, segment.key, offset, next.number, this.lastStarted)
    const { entries } = next
    for (let i = 0; i < entries.length; i += 4) {
      index.set(
        entries[i] as number,
        entries[i + 1] as number,
        segment.generation,
        offset + (entries[i + 2] as number),
        entries[i + 3] as number,
      )
    }
    segment.end = offset + bytes.length
    segment.writes.push(offset)
    this.lastStarted = next.number
    segment.file.write(bytes, offset, (error) => {
      if (error === undefined) segment.durableEnd = segment.end
      this.finished(error, next, bytes.length)
    })
  }

  private finished(error: Error | undefined, done: Filling, bytes: number): void {
    if (error !== undefined) {
      this.options.onFailure(error)
      return
    }
    this.isWriting = false
    this.durableWrite = done.number
    this.bytesWritten += bytes
    this.syncs++
    if (done.writer.bytes.length <= WRITE_LIMIT_BYTES * 2 && this.spare.length < 2) this.spare.push(done.writer)
    this.options.onDurable(done.number)
    const { waiters } = this
    this.waiters = []
    for (const resolve of waiters) resolve()
  }

  /** Starts writing at once and resolves when everything up to `write` is durable. */
  async durable(write: number): Promise<void> {
    while (this.durableWrite < write) {
      this.start()
      await new Promise<void>((resolve) => {
        this.waiters.push(resolve)
      })
    }
  }

  /** Waits for the write under way and closes the segments. */
  async close(): Promise<void> {
    if (this.isWriting) {
      await new Promise<void>((resolve) => {
        this.waiters.push(resolve)
      })
    }
    await this.pool.close()
  }

  /** The entry of an instance, `later` if it is not written yet, undefined if the log no longer has it. */
  async readEntry(block: number, instance: number): Promise<LoggedEntry | 'later' | undefined> {
    // What waits to be written supersedes what the index says of the instance: an entry learned after another was accepted.
    if (this.isGathering(block, instance)) return 'later'
    const at = this.index.get(block, instance)
    if (at === undefined) return undefined
    const segment = this.pool.byGeneration(at.generation)
    if (segment === undefined) return undefined
    if (at.offset >= segment.durableEnd) return 'later'
    const record = await this.reader.read(segment, at.offset, at.length)
    return record === undefined ? undefined : parseEntry(record, this.options.processes, block, instance)
  }

  private isGathering(block: number, instance: number): boolean {
    const waiting = this.starting === undefined ? [...this.closed, this.filling] : [this.starting, ...this.closed, this.filling]
    for (const { entries } of waiting) {
      for (let i = 0; i < entries.length; i += 4) if (entries[i] === block && entries[i + 1] === instance) return true
    }
    return false
  }
}

/** Reads an accept or learned record. @throws if it is not the entry that the index says it is: a bug. */
function parseEntry(bytes: Uint8Array, processes: ProcessTable, block: number, instance: number): LoggedEntry {
  let found: LoggedEntry | undefined
  const take = (b: number, i: number, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): void => {
    if (b === block && i === instance) found = { valueProcess, valueCounter, entry }
  }
  const handler: Partial<RecordHandler> = {
    onAccept: (b, i, _round, _process, _prevProcess, _prevCounter, process, counter, entry) => take(b, i, process, counter, entry),
    onLearned: take,
  }
  readRecord(new ByteReader(bytes), processes, handler as RecordHandler)
  if (found === undefined) throw new Error(`the log's index names another record for block ${block} instance ${instance}`)
  return found
}
