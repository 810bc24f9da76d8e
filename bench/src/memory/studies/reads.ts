/** Closed loops of reads in this process, for as long as a study looks at what the servers do meanwhile. */
import { setTimeout as delay } from 'node:timers/promises'
import { Dataset, type DatasetFiles } from '../dataset.ts'
import { openThermocline } from '../stores/thermocline.ts'

const PAUSE_AFTER_ERROR_MS = 10

export interface ReadsPlan {
  readonly endpoints: readonly string[]
  readonly dataset: DatasetFiles
  readonly clients: number
  readonly connections: number
}

export interface ReadsDone {
  readonly reads: number
  readonly failures: number
  readonly firstFailure?: string
  /** Between two answers, whoever asked. */
  readonly longestGapMs: number
}

export class Reads {
  private readonly loops: Promise<unknown>[]
  private readonly close: () => void
  private isOver = false
  private lastMs = performance.now()
  private longestGapMs = 0
  private failures = 0
  private firstFailure: string | undefined
  reads = 0

  private constructor(loops: (reads: Reads) => Promise<unknown>[], close: () => void) {
    this.close = close
    this.loops = loops(this)
  }

  static async start({ endpoints, dataset: files, clients, connections }: ReadsPlan): Promise<Reads> {
    const dataset = Dataset.read(files, 1)
    const pageValue = (page: number): Uint8Array => dataset.valueOf(page)
    const store = await openThermocline({ endpoints, connections, pageValue, pagesToFind: 0 })
    const loop = (reads: Reads) => async (client: number) => {
      while (!reads.isOver) await reads.one(() => store.read(client, dataset.next(1)))
    }
    return new Reads(
      (reads) => Array.from({ length: clients }, (_, client) => loop(reads)(client)),
      () => store.close(),
    )
  }

  private async one(read: () => Promise<void>): Promise<void> {
    try {
      await read()
      const nowMs = performance.now()
      this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.lastMs)
      this.lastMs = nowMs
      this.reads++
    } catch (error) {
      this.failures++
      this.firstFailure ??= String(error)
      await delay(PAUSE_AFTER_ERROR_MS)
    }
  }

  async stop(): Promise<ReadsDone> {
    this.isOver = true
    await Promise.all(this.loops)
    this.close()
    const { reads, failures, firstFailure, longestGapMs } = this
    return { reads, failures, ...(firstFailure === undefined ? {} : { firstFailure }), longestGapMs: Math.round(longestGapMs) }
  }
}
