/**
 * Frames between replicas: how a connection opens and ends, and what stands at the head of each frame in between. All of them
 * carry a checksum behind their type, of everything after it:
 *
 *     peerHello      u32 checksum | u32 magic | u16 version | 16 bytes cluster | u8 flags | process | 8 bytes boot nonce | u48 log end | incarnations
 *     peer           u32 checksum | u48 sender's last durable log write | u32 epoch | u16 naming version | naming | message* (messages.ts)
 *     peerGoodbye    u32 checksum | u8 error number | u16 length | message
 *     peerConfirm    u32 checksum | u32 magic | u16 version | 16 bytes cluster | process | 8 bytes boot nonce
 *     peerConfirmed  u32 checksum | u8 1: the process and the nonce are those of the process asked, 0: they are not
 *
 * The boot nonce is a secret between replicas: it goes to the addresses of the topology, and to processes that were confirmed
 * there (replica/confirmation.ts).
 */
import {
  ByteReader,
  ByteWriter,
  beginFrame,
  checksum32,
  DecodeError,
  ERRORS,
  type ErrorCode,
  endFrame,
  errorCodeOf,
  FRAME_HEADER_BYTES,
  FrameType,
  type Incarnation,
  MAX_REPLICAS,
  PEER_VERSION,
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

const CHECKSUM_BYTES = 4
const HEAD_AT = FRAME_HEADER_BYTES + CHECKSUM_BYTES
/** Offset of the naming in a frame: behind length, type and checksum, durable write, epoch and naming version. */
const NAMING_AT = HEAD_AT + 6 + 4 + 2
/** Longest message of a goodbye, in bytes. */
const MAX_GOODBYE_BYTES = 1024

function beginSealed(w: ByteWriter, type: number): number {
  const at = beginFrame(w, type)
  w.claim(CHECKSUM_BYTES)
  return at
}

/** Fills in length and checksum of the frame that ends the writer. */
function endSealed(w: ByteWriter, at: number): void {
  w.patchU32(at + FRAME_HEADER_BYTES, checksum32(w.bytes.subarray(at + HEAD_AT, w.length)))
  endFrame(w, at)
}

/**
 * Reads the checksum of a frame between replicas; the reader then stands at the frame's head.
 * @throws DecodeError if the frame does not have that checksum.
 */
export function openSealed(r: ByteReader): void {
  const checksum = r.u32()
  if (checksum32(r.bytes.subarray(r.at, r.end)) !== checksum) throw new DecodeError('a frame fails its checksum')
}

/** Opens a peer frame; its head (durable write, epoch, naming) is filled in by `endPeerFrame`, when it leaves. */
export function beginPeerFrame(w: ByteWriter, naming: Naming): void {
  beginSealed(w, FrameType.peer)
  w.claim(NAMING_AT - HEAD_AT)
  w.put(naming.bytes)
  w.view.setUint16(NAMING_AT - 2, naming.version, true)
}

export function endPeerFrame(w: ByteWriter, durableWrite: number, epoch: number, naming: Naming): void {
  // What is named must be what is named now: a vote leaves after it was made.
  if (w.view.getUint16(NAMING_AT - 2, true) !== naming.version) rename(w, naming)
  w.view.setUint32(HEAD_AT, durableWrite >>> 0, true)
  w.view.setUint16(HEAD_AT + 4, durableWrite / 0x1_0000_0000, true)
  w.view.setUint32(HEAD_AT + 6, epoch, true)
  endSealed(w, 0)
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
  if (count > MAX_REPLICAS) throw new DecodeError(`${count} names are more than ${MAX_REPLICAS}`)
  if (version === known) r.skip(count * NAMED_BYTES)
  else for (let left = count; left > 0; left--) take(replicaNumber(r.u8()), readIncarnation(r))
  return version
}

export function writePeerHello(w: ByteWriter, hello: PeerHello): void {
  const frame = beginSealed(w, FrameType.peerHello)
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
  endSealed(w, frame)
}

/** @throws DecodeError */
export function readPeerHello(r: ByteReader): PeerHello {
  openSealed(r)
  readMagic(r, 'hello')
  const version = r.u16()
  const clusterId = r.hex(16)
  const flags = r.u8()
  if (flags > (HELLO_STRANGER | HELLO_VOTES_IN_ALL)) throw new DecodeError(`a peer hello has unknown flags: ${flags}`)
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

function readMagic(r: ByteReader, what: string): void {
  const magic = r.u32()
  if (magic !== WIRE_MAGIC) throw new DecodeError(`a peer ${what} starts with ${WIRE_MAGIC.toString(16)}, not ${magic.toString(16)}`)
}

export function writePeerGoodbye(w: ByteWriter, code: ErrorCode, message: string): void {
  const frame = beginSealed(w, FrameType.peerGoodbye)
  w.u8(ERRORS[code].number)
  const bytes = new TextEncoder().encode(message).subarray(0, MAX_GOODBYE_BYTES)
  w.u16(bytes.length)
  w.put(bytes)
  endSealed(w, frame)
}

/** @throws DecodeError */
export function readPeerGoodbye(r: ByteReader): { code: ErrorCode; message: string } {
  openSealed(r)
  const code = errorCodeOf(r.u8())
  const message = new TextDecoder().decode(r.take(r.u16()))
  r.finish('peerGoodbye')
  return { code, message }
}

/** What a hello claimed, as its claimant's address in the topology is asked about it. */
export type PeerClaim = Pick<PeerHello, 'version' | 'clusterId' | 'process' | 'bootNonce'>

export function writePeerConfirm(w: ByteWriter, { version, clusterId, process, bootNonce }: PeerClaim): void {
  const frame = beginSealed(w, FrameType.peerConfirm)
  w.u32(WIRE_MAGIC)
  w.u16(version)
  w.hex(clusterId)
  writeProcessId(w, process)
  w.hex(bootNonce)
  endSealed(w, frame)
}

/** @throws DecodeError */
export function readPeerConfirm(r: ByteReader): PeerClaim {
  openSealed(r)
  readMagic(r, 'confirm')
  const version = r.u16()
  if (version !== PEER_VERSION) throw new DecodeError(`a peer confirm has version ${version}, not ${PEER_VERSION}`)
  const claim = { version, clusterId: r.hex(16), process: readProcessId(r), bootNonce: r.hex(8) }
  r.finish('peerConfirm')
  return claim
}

export function writePeerConfirmed(w: ByteWriter, isOwn: boolean): void {
  const frame = beginSealed(w, FrameType.peerConfirmed)
  w.u8(isOwn ? 1 : 0)
  endSealed(w, frame)
}

/** @throws DecodeError */
export function readPeerConfirmed(r: ByteReader): boolean {
  openSealed(r)
  const answer = r.u8()
  r.finish('peerConfirmed')
  return answer === 1
}

/** The slot that the first frame on a connection claims, if it is a peer hello. */
export function claimedReplica(frame: Uint8Array): number | undefined {
  try {
    if (frame[FRAME_HEADER_BYTES - 1] !== FrameType.peerHello) return undefined
    const hello = readPeerHello(new ByteReader(frame, FRAME_HEADER_BYTES))
    const { replica } = hello.process
    return replica
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

function replicaNumber(value: number): number {
  if (value >= MAX_REPLICAS) throw new DecodeError(`replica ${value} is not below ${MAX_REPLICAS}`)
  return value
}
