/**
 * Who proposes: one process life on one volume of one replica. *Incarnation* (number, nonce) names the volume, *boot*
 * the process life on it (design §4.1). A value id adds a counter, a ballot a round.
 *
 * Layout, 20 bytes: group u16 | replica u8 | 0 u8 | incarnation number u32 | nonce 8 bytes | boot u32.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

export const PROCESS_ID_BYTES = 20
/** A process id and a u64 counter (its upper 16 bits are zero). */
export const VALUE_ID_BYTES = 28

export interface Incarnation {
  readonly number: number
  /** 16 hexadecimal digits. */
  readonly nonce: string
}

export interface ProcessId {
  readonly group: number
  readonly replica: number
  readonly incarnation: Incarnation
  readonly boot: number
}

/** Total order of incarnations: by number, then by nonce. */
export function compareIncarnations(a: Incarnation, b: Incarnation): number {
  if (a.number !== b.number) return a.number - b.number
  return a.nonce < b.nonce ? -1 : a.nonce > b.nonce ? 1 : 0
}

/** The order of ballots of one round: by replica, then incarnation, then boot. */
export function compareProcessIds(a: ProcessId, b: ProcessId): number {
  return a.replica - b.replica || compareIncarnations(a.incarnation, b.incarnation) || a.boot - b.boot
}

export function writeIncarnation(writer: ByteWriter, incarnation: Incarnation): void {
  writer.u32(incarnation.number)
  const at = writer.claim(8)
  writer.view.setUint32(at, Number.parseInt(incarnation.nonce.slice(0, 8), 16))
  writer.view.setUint32(at + 4, Number.parseInt(incarnation.nonce.slice(8), 16))
}

const hex32 = (value: number): string => value.toString(16).padStart(8, '0')

export function readIncarnation(reader: ByteReader): Incarnation {
  const number = reader.u32()
  const at = reader.skip(8)
  return { number, nonce: hex32(reader.view.getUint32(at)) + hex32(reader.view.getUint32(at + 4)) }
}

export function writeProcessId(writer: ByteWriter, id: ProcessId): void {
  writer.u16(id.group)
  writer.u8(id.replica)
  writer.u8(0)
  writeIncarnation(writer, id.incarnation)
  writer.u32(id.boot)
}

export function readProcessId(reader: ByteReader): ProcessId {
  const group = reader.u16()
  const replica = reader.u8()
  reader.u8()
  const incarnation = readIncarnation(reader)
  return { group, replica, incarnation, boot: reader.u32() }
}

export function formatProcessId(id: ProcessId): string {
  return `${id.group}.${id.replica}/${id.incarnation.number}:${id.incarnation.nonce.slice(0, 6)}/${id.boot}`
}
