/**
 * How a peer connection opens, and what stands at the head of each frame on it:
 *
 *     peerHello  u32 magic | u16 version | 16 bytes cluster | u8 flags | process | 8 bytes boot nonce | u48 log end | incarnations
 *     peer       u48 sender's last durable log write | u32 epoch | u16 naming version | naming | message* (messages.ts)
 */
import {
  type ByteReader,
  ByteWriter,
  beginFrame,
  DecodeError,
  endFrame,
  FrameType,
  type Incarnation,
  MAX_REPLICAS,
  type ProcessId,
  readIncarnation,
  readProcessId,
  WIRE_MAGIC,
  writeIncarnation,
  writeProcessId,
} from '@thermocline/protocol'

const HELLO_STRANGER = 1
const HELLO_VOTES_IN_ALL = 2
/** A replica and its incarnation. */
const NAMED_BYTES = 13

export interface PeerHello {
  version: number
  clusterId: string
  /** The sender has no incarnation yet: it asks only which ones are named (design §4.4). */
  isStranger: boolean
  /** The sender votes in every block. */
  votesInAll: boolean
  process: ProcessId
  /** Random per boot: tells two processes that claim the same boot apart. */
  bootNonce: string
  /** Number of the last whole write the log held when this process started. */
  logEnd: number
  /** Highest incarnation of each replica that the sender knows. */
  incarnations: ReadonlyMap<number, Incarnation>
}

/**
 * The incarnations that a replica names in every frame (⚖5): the highest it knows of each replica that was ever replaced.
 * `version` changes with them, so that a receiver reads them once.
 */
export interface Naming {
  readonly version: number
  /** `u8 count | (u8 replica | incarnation)*` */
  readonly bytes: Uint8Array
}

/** Offset of the naming in a frame: behind frame length and type, durable write, epoch and naming version. */
const NAMING_AT = 5 + 6 + 4 + 2

/** Opens a peer frame; its head (durable write, epoch, naming) is filled in by `endPeerFrame`, when it leaves. */
export function beginPeerFrame(w: ByteWriter, naming: Naming): void {
  beginFrame(w, FrameType.peer)
  w.claim(NAMING_AT - 5)
  w.put(naming.bytes)
  w.view.setUint16(NAMING_AT - 2, naming.version, true)
}

export function endPeerFrame(w: ByteWriter, durableWrite: number, epoch: number, naming: Naming): void {
  // What is named must be what is named now: a vote leaves after it was made.
  if (w.view.getUint16(NAMING_AT - 2, true) !== naming.version) rename(w, naming)
  w.view.setUint32(5, durableWrite >>> 0, true)
  w.view.setUint16(9, durableWrite / 0x1_0000_0000, true)
  w.view.setUint32(11, epoch, true)
  endFrame(w, 0)
}

function rename(w: ByteWriter, naming: Naming): void {
  const messages = w.bytes.slice(NAMING_AT + 1 + (w.bytes[NAMING_AT] as number) * NAMED_BYTES, w.length)
  w.reset()
  beginPeerFrame(w, naming)
  w.put(messages)
}

export function encodeNaming(version: number, named: ReadonlyMap<number, Incarnation>): Naming {
  const w = new ByteWriter(1 + MAX_REPLICAS * NAMED_BYTES)
  const replaced = [...named].filter(([, incarnation]) => incarnation.number > 0)
  w.u8(replaced.length)
  for (const [replica, incarnation] of replaced) {
    w.u8(replica)
    writeIncarnation(w, incarnation)
  }
  return { version: version & 0xffff, bytes: w.written().slice() }
}

/** Reads what a frame names and hands each to `take`, unless this version was read before. Returns the version. */
export function readNaming(r: ByteReader, known: number, take: (replica: number, incarnation: Incarnation) => void): number {
  const version = r.u16()
  const count = r.u8()
  if (version === known) r.skip(count * NAMED_BYTES)
  else for (let left = count; left > 0; left--) take(replicaNumber(r.u8()), readIncarnation(r))
  return version
}

export function writePeerHello(w: ByteWriter, hello: PeerHello): void {
  const frame = beginFrame(w, FrameType.peerHello)
  w.u32(WIRE_MAGIC)
  w.u16(hello.version)
  w.hex(hello.clusterId)
  w.u8((hello.isStranger ? HELLO_STRANGER : 0) | (hello.votesInAll ? HELLO_VOTES_IN_ALL : 0))
  writeProcessId(w, hello.process)
  w.hex(hello.bootNonce)
  w.u48(hello.logEnd)
  w.u8(hello.incarnations.size)
  for (const [replica, incarnation] of hello.incarnations) {
    w.u8(replica)
    writeIncarnation(w, incarnation)
  }
  endFrame(w, frame)
}

export function readPeerHello(r: ByteReader): PeerHello {
  const magic = r.u32()
  if (magic !== WIRE_MAGIC) throw new DecodeError(`a peer hello starts with ${WIRE_MAGIC.toString(16)}, not ${magic.toString(16)}`)
  const version = r.u16()
  const clusterId = r.hex(16)
  const flags = r.u8()
  const process = readProcessId(r)
  const bootNonce = r.hex(8)
  const logEnd = r.u48()
  const incarnations = new Map<number, Incarnation>()
  for (let left = r.u8(); left > 0; left--) incarnations.set(replicaNumber(r.u8()), readIncarnation(r))
  r.finish('peerHello')
  const isStranger = (flags & HELLO_STRANGER) !== 0
  const votesInAll = (flags & HELLO_VOTES_IN_ALL) !== 0
  return { version, clusterId, isStranger, votesInAll, process, bootNonce, logEnd, incarnations }
}

function replicaNumber(value: number): number {
  if (value >= MAX_REPLICAS) throw new DecodeError(`replica ${value} is not below ${MAX_REPLICAS}`)
  return value
}
