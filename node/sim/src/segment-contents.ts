/** Which log writes stand in which segment file, as the bytes that are put down say. */
import { WRITE_MAGIC } from '../../src/wal/records.ts'

const NO_HEAD = new Uint8Array(0)

export class SegmentContents {
  private readonly writes = new Map<object, Set<number>>()
  private readonly heads = new Map<object, Uint8Array>()

  /** Takes note of bytes put into a file; returns the writes that stood in it if they begin it anew. */
  note(file: object, bytes: Uint8Array, offset: number): ReadonlySet<number> | undefined {
    // Replay puts the newest head down once more.
    const isAgain = offset === 0 && Buffer.compare(bytes, this.heads.get(file) ?? NO_HEAD) === 0
    if (isAgain) return undefined
    const before = this.writes.get(file)
    if (offset === 0) this.heads.set(file, bytes)
    if (offset === 0 || before === undefined) this.writes.set(file, new Set())
    if (offset === 0) return before
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (view.getUint32(0, true) === WRITE_MAGIC)
      this.writes.get(file)?.add(view.getUint16(24, true) * 0x1_0000_0000 + view.getUint32(20, true))
    return undefined
  }
}
