/**
 * Fetches items and writes them, so many at once, until time or room is over. Every item becomes one entry of the index,
 * whatever happens to it; what it says is looked through for secrets right before it is written, so that no item can forget to.
 */
import { MAX_BUNDLE_BYTES, MAX_REASON, PARALLEL, TOTAL_MS } from './bounds.ts'
import type { Archive, Collecting, Entry, Item } from './ports.ts'
import { redactText } from './redact-text.ts'

export interface CollectionOptions {
  readonly archive: Archive
  /** Monotonic. */
  readonly nowMs: () => number
  readonly say: (line: string) => void
  readonly totalMs?: number
  readonly maxBytes?: number
  readonly parallel?: number
}

export class Collection implements Collecting {
  readonly entries: Entry[] = []
  private readonly archive: Archive
  private readonly nowMs: () => number
  private readonly sayLine: (line: string) => void
  private readonly maxBytes: number
  private readonly totalMs: number
  private readonly endMs: number
  private readonly known = new Set<string>()
  private readonly paths = new Set<string>()
  /** Those who wait for room, first come first. */
  private readonly waiting: (() => void)[] = []
  private free: number
  private bytes = 0

  constructor({ archive, nowMs, say, totalMs = TOTAL_MS, maxBytes = MAX_BUNDLE_BYTES, parallel = PARALLEL }: CollectionOptions) {
    this.archive = archive
    this.nowMs = nowMs
    this.sayLine = say
    this.maxBytes = maxBytes
    this.totalMs = totalMs
    this.endMs = nowMs() + totalMs
    this.free = parallel
  }

  /** From now on this value is taken out wherever it stands. */
  hide(secret: string): void {
    this.known.add(secret)
  }

  /** Text as it may leave this process. */
  clean(text: string): string {
    return redactText(text, [...this.known])
  }

  say(line: string): void {
    this.sayLine(this.clean(line))
  }

  miss(path: string, source: string, reason: string): void {
    this.note({ path, source, state: 'failed', isContext: false, bytes: 0, reason })
  }

  leaveOut(path: string, source: string, reason: string): void {
    this.note({ path, source, state: 'left-out', isContext: false, bytes: 0, reason })
  }

  async addAll(items: readonly Item[]): Promise<void> {
    await Promise.all(items.map((item) => this.add(item)))
  }

  /** @throws Error only if the archive cannot be written. */
  async add(item: Item): Promise<void> {
    await this.enter()
    try {
      await this.collect(item)
    } finally {
      this.leave()
    }
  }

  private async collect({ path, source, isContext = false, read }: Item): Promise<void> {
    if (this.nowMs() >= this.endMs) return this.leaveOut(path, source, `the ${this.totalMs / 1000} s for the whole bundle were over`)
    if (this.bytes >= this.maxBytes) return this.leaveOut(path, source, `the bundle has the ${this.maxBytes} bytes that it may have`)
    let text: string
    let partial: string | undefined
    try {
      const content = await read()
      text = this.clean(content.body)
      partial = content.partial
    } catch (error) {
      return this.note({
        path,
        source,
        state: 'failed',
        isContext,
        bytes: 0,
        reason: error instanceof Error ? error.message : String(error),
      })
    }
    const body = Buffer.from(text)
    const own = this.freePath(path)
    this.bytes += body.length
    await this.archive.add(own, body)
    const state = partial === undefined ? 'collected' : 'partial'
    this.note({ path: own, source, state, isContext, bytes: body.length, ...(partial === undefined ? {} : { reason: partial }) })
  }

  private note(entry: Entry): void {
    const reason = entry.reason === undefined ? {} : { reason: shorten(this.clean(entry.reason)) }
    this.entries.push({ ...entry, source: this.clean(entry.source), ...reason })
  }

  /** Two names may become the same name of a file. */
  private freePath(path: string): string {
    let own = path
    for (let n = 2; this.paths.has(own); n++) own = `${path}~${n}`
    this.paths.add(own)
    return own
  }

  private async enter(): Promise<void> {
    if (this.free > 0) this.free--
    else await new Promise<void>((resolve) => this.waiting.push(resolve))
  }

  /** Room is handed on, so that nobody overtakes those who wait. */
  private leave(): void {
    const next = this.waiting.shift()
    if (next === undefined) this.free++
    else next()
  }
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON)}…` : line
}
