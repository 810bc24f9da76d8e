/**
 * Process identities as small numbers. Ballots and value ids name a process in 20 bytes; inside one replica each
 * distinct process gets a *ref* (1, 2, …; 0 is none), so that state is plain numbers and equality is one comparison.
 * Refs mean nothing outside the process that made them: logs and frames carry the 20 bytes.
 */
import {
  type ByteReader,
  type ByteWriter,
  compareProcessIds,
  formatProcessId,
  PROCESS_ID_BYTES,
  type ProcessId,
  ByteReader as Reader,
  readProcessId,
  ByteWriter as Writer,
  writeProcessId,
} from '@thermocline/protocol'

export type ProcessRef = number
export const NO_PROCESS: ProcessRef = 0

const ZERO = new Uint8Array(PROCESS_ID_BYTES)

export class ProcessTable {
  private readonly ids: (ProcessId | undefined)[] = [undefined]
  private readonly encoded: Uint8Array[] = [ZERO]

  /** The ref of a process, new or known. */
  intern(id: ProcessId): ProcessRef {
    const writer = new Writer(PROCESS_ID_BYTES)
    writeProcessId(writer, id)
    return this.internAt(writer.bytes, 0)
  }

  /** The ref of the 20 bytes at `at`; all zeros are `NO_PROCESS`. */
  internAt(bytes: Uint8Array, at: number): ProcessRef {
    // Few processes are alive, and the newest are met most: a scan from the end beats hashing 20 bytes.
    for (let ref = this.encoded.length - 1; ref >= 0; ref--) {
      if (sameBytes(this.encoded[ref] as Uint8Array, bytes, at)) return ref
    }
    const own = bytes.slice(at, at + PROCESS_ID_BYTES)
    this.encoded.push(own)
    return this.ids.push(readProcessId(new Reader(own))) - 1
  }

  read(reader: ByteReader): ProcessRef {
    return this.internAt(reader.bytes, reader.skip(PROCESS_ID_BYTES))
  }

  write(writer: ByteWriter, ref: ProcessRef): void {
    writer.put(this.encoded[ref] as Uint8Array)
  }

  /** @throws if `ref` is `NO_PROCESS` or foreign: a bug. */
  get(ref: ProcessRef): ProcessId {
    const id = this.ids[ref]
    if (id === undefined) throw new Error(`process ref ${ref} names no process`)
    return id
  }

  /** Order of two processes within a round; `NO_PROCESS` comes first. */
  compare(a: ProcessRef, b: ProcessRef): number {
    if (a === b) return 0
    if (a === NO_PROCESS) return -1
    if (b === NO_PROCESS) return 1
    return compareProcessIds(this.get(a), this.get(b))
  }

  /** Order of two ballots (round, process). */
  compareBallots(roundA: number, processA: ProcessRef, roundB: number, processB: ProcessRef): number {
    return roundA - roundB || this.compare(processA, processB)
  }

  format(ref: ProcessRef): string {
    return ref === NO_PROCESS ? '-' : formatProcessId(this.get(ref))
  }
}

function sameBytes(known: Uint8Array, bytes: Uint8Array, at: number): boolean {
  // Boot and nonce differ first between any two processes: compare from the end.
  for (let i = PROCESS_ID_BYTES - 1; i >= 0; i--) if (known[i] !== bytes[at + i]) return false
  return true
}
