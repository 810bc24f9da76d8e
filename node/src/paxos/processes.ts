/**
 * Process identities as small numbers. Ballots and value ids name a process in 20 bytes; inside one replica each
 * distinct process gets a *ref* (1, 2, …; 0 is none), so that state is plain numbers and equality is one comparison.
 * Refs mean nothing outside the process that made them: logs and frames carry the 20 bytes.
 */
import {
  type ByteReader,
  type ByteWriter,
  compareProcessIds,
  DecodeError,
  formatProcessId,
  MAX_REPLICAS,
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

/** Processes that one peer may make known during a process life here: boots of a group's volumes are few. */
export const MAX_INTRODUCED = 4096
/** The processes met last are compared first: few are alive, and they are met all the time. */
const RECENT = 8

export class ProcessTable {
  private readonly ids: (ProcessId | undefined)[] = [undefined]
  private readonly encoded: Uint8Array[] = [ZERO]
  /** Refs by the 20 bytes as text, whose hash is the runtime's own and secret. */
  private readonly refs = new Map<string, ProcessRef>()
  private readonly recent: ProcessRef[] = new Array(RECENT).fill(NO_PROCESS)
  private nextRecent = 0
  /** How many processes each replica has made known. */
  private readonly introduced: number[] = []

  /** The ref of a process, new or known. Only of one that was admitted, or that the own log names: refs are never given back. */
  intern(id: ProcessId): ProcessRef {
    const writer = new Writer(PROCESS_ID_BYTES)
    writeProcessId(writer, id)
    return this.internAt(writer.bytes, 0)
  }

  /** The ref of the 20 bytes at `at`; all zeros are `NO_PROCESS`. */
  internAt(bytes: Uint8Array, at: number): ProcessRef {
    return this.find(bytes, at) ?? this.add(bytes, at)
  }

  private find(bytes: Uint8Array, at: number): ProcessRef | undefined {
    for (const ref of this.recent) if (sameBytes(this.encoded[ref] as Uint8Array, bytes, at)) return ref
    const ref = this.refs.get(keyOf(bytes, at))
    if (ref === undefined) return sameBytes(ZERO, bytes, at) ? NO_PROCESS : undefined
    this.recent[this.nextRecent] = ref
    this.nextRecent = (this.nextRecent + 1) % RECENT
    return ref
  }

  private add(bytes: Uint8Array, at: number): ProcessRef {
    const own = bytes.slice(at, at + PROCESS_ID_BYTES)
    this.encoded.push(own)
    const ref = this.ids.push(readProcessId(new Reader(own))) - 1
    this.refs.set(keyOf(own, 0), ref)
    return ref
  }

  read(reader: ByteReader): ProcessRef {
    return this.internAt(reader.bytes, reader.skip(PROCESS_ID_BYTES))
  }

  /**
   * Reads a process that replica `from` names.
   * @throws DecodeError if it cannot be a process of the group, or if that replica has named more than MAX_INTRODUCED unknown ones.
   */
  readFrom(reader: ByteReader, from: ProcessId): ProcessRef {
    const at = reader.skip(PROCESS_ID_BYTES)
    const known = this.find(reader.bytes, at)
    if (known !== undefined) return known
    const { group, replica } = readProcessId(new Reader(reader.bytes, at, at + PROCESS_ID_BYTES))
    if (group !== from.group || replica >= MAX_REPLICAS)
      throw new DecodeError(`group ${group} replica ${replica} is none of group ${from.group}`)
    const introduced = (this.introduced[from.replica] ?? 0) + 1
    if (introduced > MAX_INTRODUCED) throw new DecodeError(`replica ${from.replica} names more than ${MAX_INTRODUCED} unknown processes`)
    this.introduced[from.replica] = introduced
    return this.add(reader.bytes, at)
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

function keyOf(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + PROCESS_ID_BYTES))
}

function sameBytes(known: Uint8Array, bytes: Uint8Array, at: number): boolean {
  // Boot and nonce differ first between any two processes: compare from the end.
  for (let i = PROCESS_ID_BYTES - 1; i >= 0; i--) if (known[i] !== bytes[at + i]) return false
  return true
}
