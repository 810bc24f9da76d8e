/**
 * The segments of one node: which is written, which may be recycled, which are ready. One spare is always prepared in
 * advance, so that rolling over needs no new space and no zeroing; when the volume is full and no spare can be made,
 * `isFull` says so before the active one runs out.
 */
import type { LogFile, LogFolder } from '../io/ports.ts'
import { encodeSegmentHead, NO_KEY, SEGMENT_HEAD_BYTES, type Segment } from './segment.ts'

export interface SegmentPoolOptions {
  readonly folder: LogFolder
  readonly segmentBytes: number
  /** Segments kept for peers to catch up from, beyond those that replay needs. */
  readonly retainSegments: number
  readonly volumeNonce: string
  /** Random bytes that nobody can guess, as hexadecimal digits. */
  readonly randomHex: (bytes: number) => string
  /** Number of the engine's last finished flush. */
  readonly flushNumber: () => number
  /** A spare was made. */
  readonly onSpare: () => void
  /** A spare could not be made, for the first time in a row. */
  readonly onFull: (error: Error) => void
}

export class SegmentPool {
  private readonly options: SegmentPoolOptions
  readonly segmentBytes: number
  active: Segment | undefined
  /** Written and not recycled yet, oldest first; the active one is not among them. */
  private readonly retired: Segment[]
  private readonly spares: Segment[]
  private nextName: number
  private generation: number
  /** Segments below this generation hold nothing that replay needs (⚖10). */
  private replayFrom = 0
  private isPreparing = false
  isFull = false

  constructor(options: SegmentPoolOptions, found: { written: Segment[]; spares: Segment[] }) {
    this.options = options
    this.segmentBytes = options.segmentBytes
    this.active = found.written.at(-1)
    this.retired = found.written.slice(0, -1)
    this.spares = found.spares
    const all = [...found.written, ...found.spares]
    this.nextName = 1 + Math.max(0, ...all.map((segment) => Number.parseInt(segment.name, 10)))
    this.generation = Math.max(0, ...all.map((segment) => segment.generation))
  }

  get count(): number {
    return this.retired.length + this.spares.length + (this.active === undefined ? 0 : 1)
  }

  get bytes(): number {
    return this.count * this.segmentBytes
  }

  /** Oldest generation whose entries can still be read. */
  get oldestGeneration(): number {
    return this.retired[0]?.generation ?? this.active?.generation ?? 0
  }

  byGeneration(generation: number): Segment | undefined {
    if (this.active?.generation === generation) return this.active
    return this.retired.find((segment) => segment.generation === generation)
  }

  /** Nothing below `generation` is needed by replay any more: recycle what is beyond the bound. */
  release(generation: number): void {
    this.replayFrom = Math.max(this.replayFrom, generation)
    this.recycle()
  }

  private recycle(): void {
    // What is kept for peers gives way when the volume is full: they can take snapshots.
    const retained = this.isFull ? 0 : this.options.retainSegments
    while (this.retired.length > retained) {
      const oldest = this.retired[0] as Segment
      if (oldest.generation >= this.replayFrom) return
      this.retired.shift()
      this.spares.push(oldest)
      this.isFull = false
    }
  }

  /** Log bytes that replay would have to read: what `release` has not freed. */
  get replayBytes(): number {
    let bytes = this.active?.end ?? 0
    for (let i = this.retired.length - 1; i >= 0 && (this.retired[i] as Segment).generation >= this.replayFrom; i--)
      bytes += this.segmentBytes
    return bytes
  }

  /** True if rolling over needs nothing that is not there. */
  get hasSpare(): boolean {
    return this.spares.length > 0
  }

  /** Takes a spare as the active segment: its new head is synced before anything is written to it. */
  activate(done: (error: Error | undefined) => void): void {
    const segment = this.spares.shift() as Segment
    const generation = ++this.generation
    const { randomHex, volumeNonce, flushNumber } = this.options
    const key = { tag: Number.parseInt(randomHex(4), 16), seed: Number.parseInt(randomHex(4), 16) }
    segment.file.write(encodeSegmentHead(generation, volumeNonce, flushNumber(), key), 0, (error) => {
      if (error !== undefined) {
        done(error)
        return
      }
      segment.generation = generation
      segment.key = key
      segment.end = SEGMENT_HEAD_BYTES
      segment.durableEnd = SEGMENT_HEAD_BYTES
      segment.writes = []
      if (this.active !== undefined) this.retired.push(this.active)
      this.active = segment
      this.prepare()
      done(undefined)
    })
  }

  /** Makes sure that a spare exists, or will soon; `onSpare` tells. A full volume shows as `isFull`; call again later. */
  prepare(): void {
    this.recycle()
    if (this.spares.length > 0 || this.isPreparing) return
    this.isPreparing = true
    this.make().then(
      (segment) => {
        this.isPreparing = false
        this.spares.push(segment)
        this.isFull = false
        this.options.onSpare()
      },
      (error: unknown) => {
        this.isPreparing = false
        if (!this.isFull) this.options.onFull(error as Error)
        this.isFull = true
        this.recycle()
        if (this.hasSpare) this.options.onSpare()
      },
    )
  }

  private async make(): Promise<Segment> {
    const name = `${String(this.nextName).padStart(6, '0')}.log`
    const file: LogFile = await this.options.folder.create(name, this.segmentBytes)
    this.nextName++
    return { name, file, generation: 0, key: NO_KEY, end: SEGMENT_HEAD_BYTES, durableEnd: SEGMENT_HEAD_BYTES, writes: [] }
  }

  async close(): Promise<void> {
    const all = [...this.retired, ...this.spares, ...(this.active === undefined ? [] : [this.active])]
    await Promise.all(all.map((segment) => segment.file.close()))
  }
}
