/** The calls that `trace.c` wrote down, in the order in which they happened. */
import { readFileSync } from 'node:fs'

export const Kind = {
  /** path; a: flags */
  open: 1,
  /** file, bytes; a: offset */
  write: 2,
  /** file; a: offset, b: length: a write on a descriptor of O_DSYNC has returned */
  durable: 3,
  /** file: fsync or fdatasync has returned */
  sync: 4,
  /** file; a: size */
  truncate: 5,
  /** path → other */
  rename: 6,
  /** path → other */
  link: 7,
  unlink: 8,
  mkdir: 9,
  rmdir: 10,
  /** file, bytes; a: offset, b: request: a write past the page cache begins */
  submit: 11,
  /** b: request: it is durable */
  finished: 12,
  /** file; a: mode, b: end */
  allocate: 13,
  /** A process has ended; its descriptors mean nothing any more. Written by the driver. */
  end: 14,
} as const

export interface Call {
  readonly kind: number
  readonly file: number
  readonly a: number
  readonly b: bigint
  /** Below the root. */
  readonly path: string
  readonly other: string
  readonly bytes: Buffer
}

const NAMES = new Map<number, string>(Object.entries(Kind).map(([name, kind]) => [kind, name]))

export function describeCall({ kind, file, path, other, bytes, a }: Call): string {
  const on = path === '' && kind !== Kind.open ? `descriptor ${file}` : path
  return `${NAMES.get(kind)} ${on}${other === '' ? '' : ` → ${other}`}${bytes.length === 0 ? '' : ` ${bytes.length} bytes at ${a}`}`
}

/** What the driver appends after a process has ended. */
export function endRecord(): Buffer {
  const record = Buffer.alloc(29)
  record.writeUInt32LE(25, 0)
  record.writeUInt8(Kind.end, 4)
  return record
}

export function readTrace(path: string): Call[] {
  const trace = readFileSync(path)
  const calls: Call[] = []
  for (let at = 0; at < trace.length; ) {
    const end = at + 4 + trace.readUInt32LE(at)
    const pathFrom = at + 27
    const pathTo = pathFrom + trace.readUInt16LE(at + 25)
    const otherFrom = pathTo + 2
    const otherTo = otherFrom + trace.readUInt16LE(pathTo)
    calls.push({
      kind: trace.readUInt8(at + 4),
      file: trace.readInt32LE(at + 5),
      a: Number(trace.readBigUInt64LE(at + 9)),
      b: trace.readBigUInt64LE(at + 17),
      path: trace.toString('utf8', pathFrom, pathTo),
      other: trace.toString('utf8', otherFrom, otherTo),
      bytes: trace.subarray(otherTo, end),
    })
    at = end
  }
  return calls
}
