/**
 * Opens the log at start: finds the segments, reads every write in order, tells a cut tail from damage (⚖12), and hands
 * each record to the recovery of the replica. The last write is put down and synced once more before anything counts, and
 * a cut tail is overwritten to its end: after a crash the page cache may show bytes that the disk never got, or not yet show
 * bytes that it has.
 */
import { ByteReader, DecodeError, ThermoclineError } from '@thermocline/protocol'
import type { LogFile, LogFolder } from '../io/ports.ts'
import type { ProcessTable } from '../paxos/processes.ts'
import { EntryIndex } from './entry-index.ts'
import { type RecordHandler, readRecord } from './records.ts'
import {
  alignUp,
  type FoundWrite,
  laterWrite,
  NO_KEY,
  readSegmentHead,
  SEGMENT_HEAD_BYTES,
  type Segment,
  type SegmentKey,
  writeAt,
} from './segment.ts'
import { MAX_WRITE_BYTES } from './shared-log.ts'

const ZEROS = new Uint8Array(256 * 1024)

export interface Replayed {
  readonly written: Segment[]
  readonly spares: Segment[]
  readonly index: EntryIndex
  /** Number of the last valid write, 0 if there is none. */
  readonly lastWrite: number
  /** Boot that made the last write, 0 if there is none. */
  readonly lastBoot: number
  readonly writes: number
  /** True if bytes after the last valid write were cut as a torn tail. */
  readonly cutTail: boolean
}

interface Opened {
  name: string
  file: LogFile
  generation: number
  key: SegmentKey
  bytes: Uint8Array
  writes: number[]
}

export interface ReplayHandler extends RecordHandler {
  /** Comes before all records: the log has let go of some that only this flush of the engine, or a later one, holds. */
  onFlushed(flush: number): void
}

/** @throws ThermoclineError `corrupt` if a write is damaged that a later one proves durable; `unsupported_version`. */
export async function replayLog(
  folder: LogFolder,
  segmentBytes: number,
  volumeNonce: string,
  processes: ProcessTable,
  handler: ReplayHandler,
  /** Called after each segment: the place to apply and flush what it held. */
  afterSegment: () => Promise<void>,
): Promise<Replayed> {
  const segments: Opened[] = []
  const spares: Segment[] = []
  let flush = 0
  for (const name of (await folder.list()).filter((entry) => entry.endsWith('.log')).toSorted((a, b) => (a < b ? -1 : 1))) {
    const file = await folder.open(name)
    const head = await file.read(0, SEGMENT_HEAD_BYTES)
    if (head.length < SEGMENT_HEAD_BYTES) throw cutShort(name, head.length, segmentBytes)
    const found = readSegmentHead(head, name, volumeNonce)
    if (found === undefined) {
      // Zeros instead of a head would make a spare of a segment that holds what was promised.
      if (hasBytes(await file.read(0, segmentBytes), SEGMENT_HEAD_BYTES)) {
        throw new ThermoclineError('corrupt', `log segment ${name} has lost its head: zeros stand before what was written`)
      }
      spares.push({ name, file, generation: 0, key: NO_KEY, end: SEGMENT_HEAD_BYTES, durableEnd: SEGMENT_HEAD_BYTES, writes: [] })
      continue
    }
    flush = Math.max(flush, found.flush)
    segments.push({ name, file, generation: found.generation, key: found.key, bytes: new Uint8Array(0), writes: [] })
  }
  handler.onFlushed(flush)
  segments.sort((a, b) => a.generation - b.generation)
  return new Replay(segments, spares, segmentBytes, processes, handler, afterSegment).run()
}

class Replay {
  private readonly segments: Opened[]
  private readonly spares: Segment[]
  private readonly segmentBytes: number
  private readonly processes: ProcessTable
  private readonly handler: RecordHandler
  private readonly afterSegment: () => Promise<void>
  private readonly index = new EntryIndex()
  private lastWrite = 0
  private lastBoot = 0
  private writes = 0
  private last: { file: LogFile; offset: number; bytes: Uint8Array } | undefined

  constructor(
    segments: Opened[],
    spares: Segment[],
    segmentBytes: number,
    processes: ProcessTable,
    handler: RecordHandler,
    afterSegment: () => Promise<void>,
  ) {
    this.afterSegment = afterSegment
    this.segments = segments
    this.spares = spares
    this.segmentBytes = segmentBytes
    this.processes = processes
    this.handler = {
      ...bind(handler),
      onBoot: (boot) => {
        this.lastBoot = boot
        handler.onBoot(boot)
      },
    }
  }

  async run(): Promise<Replayed> {
    const written: Segment[] = []
    for (const segment of this.segments) {
      segment.bytes = await segment.file.read(0, this.segmentBytes)
      if (segment.bytes.length < this.segmentBytes) throw cutShort(segment.name, segment.bytes.length, this.segmentBytes)
      const end = this.scan(segment)
      const later = laterWrite(segment.bytes, end, segment.key, this.lastWrite)
      if (later !== undefined) this.damaged(segment, end, later)
      const { name, file, generation, key, writes } = segment
      written.push({ name, file, generation, key, end, durableEnd: end, writes })
      await this.afterSegment()
    }
    const tail = written.at(-1)
    const tailBytes = this.segments.at(-1)?.bytes
    const cutTail = tail !== undefined && tailBytes !== undefined && hasBytes(tailBytes, tail.end)
    if (cutTail) await overwrite(tail, this.segmentBytes)
    await this.rewriteNewest()
    for (const segment of this.segments) segment.bytes = new Uint8Array(0)
    const { spares, index, lastWrite, lastBoot, writes } = this
    return { written, spares, index, lastWrite, lastBoot, writes, cutTail }
  }

  private damaged(segment: Opened, offset: number, later: FoundWrite): never {
    throw new ThermoclineError(
      'corrupt',
      `log segment ${segment.name}: the write after number ${this.lastWrite}, at offset ${offset}, is damaged, but the later write ${later.number} is whole; nothing was changed`,
    )
  }

  /** Reads writes from the start; returns where the valid ones end. */
  private scan(segment: Opened): number {
    let offset = SEGMENT_HEAD_BYTES
    for (;;) {
      const found = writeAt(segment.bytes, offset, segment.key)
      if (found === undefined) return offset
      if (this.lastWrite !== 0 && found.previous !== this.lastWrite) {
        throw new ThermoclineError(
          'corrupt',
          `log segment ${segment.name}: write ${found.number} follows ${found.previous}, but the last one found is ${this.lastWrite}; a segment is missing or damaged`,
        )
      }
      this.take(segment, found)
      segment.writes.push(offset)
      const end = alignUp(found.bodyTo)
      this.last = { file: segment.file, offset, bytes: segment.bytes.slice(offset, Math.min(end, segment.bytes.length)) }
      offset = end
    }
  }

  private take(segment: Opened, found: FoundWrite): void {
    const reader = new ByteReader(segment.bytes, found.bodyFrom, found.bodyTo)
    let block = 0
    let instance = 0
    const indexed: RecordHandler = {
      ...this.handler,
      onAccept: (b, i, round, process, prevProcess, prevCounter, valueProcess, valueCounter, entry) => {
        block = b
        instance = i
        this.handler.onAccept(b, i, round, process, prevProcess, prevCounter, valueProcess, valueCounter, entry.slice())
      },
      onLearned: (b, i, process, counter, entry) => {
        block = b
        instance = i
        this.handler.onLearned(b, i, process, counter, entry.slice())
      },
    }
    try {
      while (reader.remaining > 0) {
        const from = reader.at
        instance = 0
        readRecord(reader, this.processes, indexed)
        if (instance > 0) this.index.set(block, instance, segment.generation, from, reader.at - from)
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      throw new ThermoclineError(
        'corrupt',
        `log segment ${segment.name}: write ${found.number} passes its checksum but cannot be read: ${error.message}`,
      )
    }
    this.lastWrite = found.number
    this.writes++
  }

  /** The head of the newest segment, and the last write: the process before may have ended while it wrote either. */
  private async rewriteNewest(): Promise<void> {
    const { last } = this
    const newest = this.segments.at(-1)
    if (newest !== undefined) await put(newest.file, newest.bytes.slice(0, SEGMENT_HEAD_BYTES), 0)
    if (last !== undefined) await put(last.file, last.bytes, last.offset)
  }
}

/**
 * Puts zeros, durably, where a write was cut off: what is left of it would lie behind the shorter writes that follow. A write
 * that was cut off ends within MAX_WRITE_BYTES; what lies beyond is of an earlier life of the segment, and known as that.
 */
async function overwrite(tail: Segment, segmentBytes: number): Promise<void> {
  const end = Math.min(segmentBytes, tail.end + MAX_WRITE_BYTES)
  for (let at = tail.end; at < end; at += ZEROS.length) await put(tail.file, ZEROS.subarray(0, Math.min(ZEROS.length, end - at)), at)
}

function put(file: LogFile, bytes: Uint8Array, offset: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(bytes, offset, (error) => (error === undefined ? resolve() : reject(error)))
  })
}

/** A segment gets its name once all of it is there. */
function cutShort(name: string, bytes: number, segmentBytes: number): ThermoclineError {
  return new ThermoclineError('corrupt', `log segment ${name} is cut short: it has ${bytes} bytes, not ${segmentBytes}`)
}

function bind(handler: RecordHandler): RecordHandler {
  return {
    onPromise: (...a) => handler.onPromise(...a),
    onAccept: (...a) => handler.onAccept(...a),
    onLearned: (...a) => handler.onLearned(...a),
    onChosen: (...a) => handler.onChosen(...a),
    onPeer: (...a) => handler.onPeer(...a),
    onCopyBegin: (...a) => handler.onCopyBegin(...a),
    onCopyEnd: (...a) => handler.onCopyEnd(...a),
    onBoot: (...a) => handler.onBoot(...a),
    onVotes: (...a) => handler.onVotes(...a),
    onNamed: (...a) => handler.onNamed(...a),
    onAside: (...a) => handler.onAside(...a),
  }
}

function hasBytes(bytes: Uint8Array, from: number): boolean {
  for (let i = from; i < bytes.length; i++) if (bytes[i] !== 0) return true
  return false
}
