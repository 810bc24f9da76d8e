/**
 * Reads writes back from log segments, checked: a record has no checksum of its own, only the whole write that holds it.
 *
 * Peers that catch up ask for the same stretch of the log block by block, so chunks of it are kept for a while, the last
 * used longest. Each write is checked once per chunk. Of a long log they ask for here and there: a write is read alone unless
 * another one of its stretch was asked for shortly before.
 */
import { type Segment, writeAt } from './segment.ts'

const CHUNK_BYTES = 256 * 1024
const MAX_BYTES = 16 * 1024 * 1024
/** Stretches of which a write was read alone that are remembered. */
const MAX_TOUCHED = 64

interface Chunk {
  readonly generation: number
  /** Offset of its first write in the segment. */
  readonly from: number
  readonly bytes: Uint8Array
  /** Offsets of the writes that passed their checksum. */
  readonly checked: Set<number>
}

export class WriteReader {
  private readonly onDamage: (message: string) => void
  /** The last used at the end. */
  private readonly chunks: Chunk[] = []
  private bytes = 0
  private readonly reading = new Map<string, Promise<Uint8Array>>()
  /** Stretches of which a write was read alone, the last one at the end. */
  private readonly touched = new Set<string>()

  constructor(onDamage: (message: string) => void) {
    this.onDamage = onDamage
  }

  /**
   * `length` bytes at `offset` of a segment, part of a durable write. Undefined if the segment is recycled meanwhile, or
   * the write fails its checksum, which `onDamage` is told.
   */
  async read(segment: Segment, offset: number, length: number): Promise<Uint8Array | undefined> {
    const { generation, key, writes } = segment
    const at = lastAtOrBefore(writes, offset)
    const from = writes[at] as number
    const to = writes[at + 1] ?? segment.end
    const chunk = this.find(generation, from, to) ?? (await this.load(segment, from, to))
    if (chunk === undefined) return undefined
    if (!chunk.checked.has(from)) {
      if (writeAt(chunk.bytes, from, key, chunk.from) === undefined) {
        this.onDamage(`log segment ${segment.name}: the write at offset ${from} was durable and fails its checksum now`)
        return undefined
      }
      chunk.checked.add(from)
    }
    return chunk.bytes.subarray(offset - chunk.from, offset - chunk.from + length)
  }

  private find(generation: number, from: number, to: number): Chunk | undefined {
    for (let i = this.chunks.length - 1; i >= 0; i--) {
      const chunk = this.chunks[i] as Chunk
      if (chunk.generation !== generation || chunk.from > from || chunk.from + chunk.bytes.length < to) continue
      if (i < this.chunks.length - 1) {
        this.chunks.splice(i, 1)
        this.chunks.push(chunk)
      }
      return chunk
    }
    return undefined
  }

  /** Reads the write alone, or the stretch of CHUNK_BYTES that it begins in, once for all who ask for something in it. */
  private async load(segment: Segment, from: number, to: number): Promise<Chunk | undefined> {
    const { generation, writes } = segment
    const stretch = Math.floor(from / CHUNK_BYTES)
    let first = from
    let end = to
    if (this.touch(`${generation}/${stretch}`)) {
      first = Math.min(from, writes[lastAtOrBefore(writes, stretch * CHUNK_BYTES - 1) + 1] ?? from)
      end = Math.min(segment.durableEnd, Math.max(to, (stretch + 1) * CHUNK_BYTES))
    }
    const key = `${generation}/${first}/${end}`
    let reading = this.reading.get(key)
    if (reading === undefined) {
      reading = segment.file.read(first, end - first).finally(() => this.reading.delete(key))
      this.reading.set(key, reading)
      reading.then((bytes) => this.keep({ generation, from: first, bytes, checked: new Set() })).catch(() => {})
    }
    await reading
    return segment.generation === generation ? this.find(generation, from, to) : undefined
  }

  /** True if something of the stretch was asked for shortly before. */
  private touch(stretch: string): boolean {
    if (this.touched.delete(stretch)) return true
    this.touched.add(stretch)
    for (const oldest of this.touched) {
      if (this.touched.size <= MAX_TOUCHED) break
      this.touched.delete(oldest)
    }
    return false
  }

  private keep(chunk: Chunk): void {
    this.chunks.push(chunk)
    this.bytes += chunk.bytes.length
    while (this.bytes > MAX_BYTES) this.bytes -= (this.chunks.shift() as Chunk).bytes.length
  }
}

function lastAtOrBefore(offsets: readonly number[], offset: number): number {
  let low = 0
  let high = offsets.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((offsets[middle] as number) <= offset) low = middle
    else high = middle - 1
  }
  return low
}
