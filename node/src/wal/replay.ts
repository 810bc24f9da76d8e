/**
 * Opens the log at start: finds the segments, reads every write in order, tells a cut tail from damage (⚖12), and hands
 * each record to the recovery of the replica. The last write is put down and synced once more before anything counts:
 * after a crash the page cache may show bytes that the disk never got.
 */
import { ByteReader, DecodeError, ThermoclineError } from '@thermocline/protocol'
import type { LogFile, LogFolder } from '../io/ports.ts'
import type { ProcessTable } from '../paxos/processes.ts'
import { EntryIndex } from './entry-index.ts'
import { type RecordHandler, readRecord } from './records.ts'
import { alignUp, type FoundWrite, laterWrite, readSegmentHead, SEGMENT_HEAD_BYTES, type Segment, writeAt } from './segment.ts'

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
      spares.push({ name, file, generation: 0, end: SEGMENT_HEAD_BYTES, durableEnd: SEGMENT_HEAD_BYTES, writes: [] })
      continue
    }
    flush = Math.max(flush, found.flush)
    segments.push({ name, file, generation: found.generation, bytes: new Uint8Array(0), writes: [] })
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
      const later = laterWrite(segment.bytes, end, segment.generation, this.lastWrite)
      if (later !== undefined) this.damaged(segment, end, later)
      written.push({ name: segment.name, file: segment.file, generation: segment.generation, end, durableEnd: end, writes: segment.writes })
      await this.afterSegment()
    }
    const tail = written.at(-1)
    const tailBytes = this.segments.at(-1)?.bytes
    const cutTail = tail !== undefined && tailBytes !== undefined && hasBytes(tailBytes, tail.end)
    for (const segment of this.segments) segment.bytes = new Uint8Array(0)
    await this.rewriteLast()
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
      const found = writeAt(segment.bytes, offset, segment.generation)
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

  private async rewriteLast(): Promise<void> {
    const { last } = this
    if (last === undefined) return
    await new Promise<void>((resolve, reject) =>
      last.file.write(last.bytes, last.offset, (error) => (error === undefined ? resolve() : reject(error))),
    )
  }
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
  }
}

function hasBytes(bytes: Uint8Array, from: number): boolean {
  for (let i = from; i < bytes.length; i++) if (bytes[i] !== 0) return true
  return false
}
