/**
 * Writes the items of a source as records, many at a time. Ids follow from the input alone, so a repeated import writes
 * the same records again; a checkpoint only saves the time. On resuming, the part before the checkpoint is read again, not
 * written, because the sequence numbers of later lines depend on it.
 */
import type { Client } from '@thermocline/client'
import { ThermoclineError } from '@thermocline/protocol'
import xxhash from 'xxhash-wasm'
import type { Checkpoint } from './checkpoint.ts'
import type { Item } from './lines.ts'
import { type Mapping, mapItem } from './mapping.ts'
import type { RejectFile } from './rejects.ts'
import { SequenceTable } from './sequence-table.ts'

const { create64 } = await xxhash()

const MAX_IN_FLIGHT_BYTES = 32 * 1024 * 1024
const CHECKPOINT_MS = 1000

export interface ImportOptions {
  readonly mapping: Mapping
  /** What the checkpoint calls the mapping. */
  readonly mappingName: string
  readonly inFlight: number
  readonly resumeAt: Checkpoint | undefined
  readonly rejects: RejectFile
  /** Called with checkpoints that are confirmed. */
  readonly onCheckpoint: (checkpoint: Checkpoint) => void
  readonly signal: AbortSignal
}

export interface ImportFigures {
  /** Bytes of the input read so far. */
  offset: number
  line: number
  records: number
  rejected: number
  /** Still reading what an earlier import wrote. */
  isSkipping: boolean
}

export class Importer {
  readonly figures: ImportFigures
  private readonly client: Pick<Client, 'put'>
  private readonly options: ImportOptions
  private readonly sequences = new SequenceTable()
  private readonly hash = create64()
  private inFlight = 0
  private inFlightBytes = 0
  private failure: unknown
  private wake: (() => void) | undefined
  /** Writes begun and ended; a checkpoint waits until all that began before it have ended. */
  private begun = 0
  private readonly open = new Set<number>()
  private waiting: { checkpoint: Checkpoint; begun: number } | undefined
  private lastCheckpointMs = performance.now()

  constructor(client: Pick<Client, 'put'>, options: ImportOptions) {
    this.client = client
    this.options = options
    const { resumeAt } = options
    this.figures = {
      offset: 0,
      line: 0,
      records: resumeAt?.records ?? 0,
      rejected: resumeAt?.rejected ?? 0,
      isSkipping: resumeAt !== undefined,
    }
  }

  /** Resolves at the end of the input, or when aborted, with every write that began ended. @throws ThermoclineError */
  async run(items: AsyncIterable<Item>): Promise<void> {
    try {
      for await (const item of items) {
        this.take(item)
        while (this.isFull()) await this.someEnd()
        if (this.failure !== undefined || this.options.signal.aborted) break
        this.consider(item)
      }
    } finally {
      while (this.inFlight > 0) await this.someEnd()
    }
    if (this.failure !== undefined) throw this.failure
    const { resumeAt, signal } = this.options
    if (this.figures.isSkipping && !signal.aborted && resumeAt !== undefined) throw changed(resumeAt)
    this.confirm(this.checkpoint())
  }

  private take(item: Item): void {
    const { resumeAt, rejects, mapping } = this.options
    this.figures.offset = item.endOffset
    this.figures.line = item.line
    this.hash.update(item.text)
    let mapped: ReturnType<typeof mapItem>
    let seq: number
    try {
      mapped = mapItem(item, mapping)
      seq = this.sequences.next(mapped.series, mapped.ms)
    } catch (error) {
      if (!(error instanceof ThermoclineError)) throw error
      if (!this.figures.isSkipping) {
        this.figures.rejected++
        rejects.add(item.line, error.message, item.text)
      }
      this.endSkipping(item, resumeAt)
      return
    }
    if (this.figures.isSkipping) this.endSkipping(item, resumeAt)
    else this.write(mapped, seq)
  }

  private endSkipping(item: Item, resumeAt: Checkpoint | undefined): void {
    if (!this.figures.isSkipping || resumeAt === undefined || item.endOffset < resumeAt.offset) return
    if (item.endOffset !== resumeAt.offset || this.digest() !== resumeAt.hash) throw changed(resumeAt)
    this.figures.isSkipping = false
  }

  private write({ series, ms, value }: ReturnType<typeof mapItem>, seq: number): void {
    const bytes = value.length + series.length
    const ticket = this.begun++
    this.open.add(ticket)
    this.inFlight++
    this.inFlightBytes += bytes
    this.client.put(series, { ms, seq }, value).then(
      () => {
        this.figures.records++
        this.onEnd(ticket, bytes)
      },
      (error: unknown) => {
        this.failure ??= error
        this.onEnd(ticket, bytes)
      },
    )
  }

  private onEnd(ticket: number, bytes: number): void {
    this.inFlight--
    this.inFlightBytes -= bytes
    this.open.delete(ticket)
    const { waiting } = this
    if (waiting !== undefined && this.failure === undefined && this.oldestOpen() >= waiting.begun) {
      this.waiting = undefined
      this.confirm(waiting.checkpoint)
    }
    this.wake?.()
  }

  private oldestOpen(): number {
    // Tickets are added in order, and a set iterates in that order.
    return this.open.values().next().value ?? this.begun
  }

  private isFull(): boolean {
    return this.failure === undefined && (this.inFlight >= this.options.inFlight || this.inFlightBytes >= MAX_IN_FLIGHT_BYTES)
  }

  private async someEnd(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve
    })
  }

  /** Every second the point that was read up to becomes the next checkpoint, once its writes have ended. */
  private consider(item: Item): void {
    if (this.figures.isSkipping || this.waiting !== undefined) return
    if (performance.now() - this.lastCheckpointMs < CHECKPOINT_MS) return
    this.figures.offset = item.endOffset
    this.lastCheckpointMs = performance.now()
    this.waiting = { checkpoint: this.checkpoint(), begun: this.begun }
  }

  private checkpoint(): Checkpoint {
    const { offset, line, rejected } = this.figures
    // Writes that are under way are part of the checkpoint: it is confirmed when they have ended.
    const records = this.figures.records + this.inFlight
    return { formatVersion: 1, mapping: this.options.mappingName, offset, line, records, rejected, hash: this.digest() }
  }

  private confirm(checkpoint: Checkpoint): void {
    if (!this.figures.isSkipping) this.options.onCheckpoint(checkpoint)
  }

  private digest(): string {
    return this.hash.digest().toString(16).padStart(16, '0')
  }
}

function changed({ offset }: Checkpoint): ThermoclineError {
  return new ThermoclineError(
    'invalid_argument',
    `import: the input differs from what was imported up to byte ${offset}; remove the state file to start over`,
  )
}
