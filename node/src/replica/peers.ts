/**
 * Connections to the other replicas of the group: hello and its checks, frames in and out, and who is live.
 *
 * Two kinds of messages leave: requests at the end of the turn that made them, and votes once the log write they rest
 * on is durable (⚖4). A vote belongs to the connection its request came by: when that is lost, so is the vote, since a
 * new process on the other end would read it as an answer to its own ballot.
 */
import {
  ByteReader,
  ByteWriter,
  DecodeError,
  errorCodeOf,
  FrameDecoder,
  FrameType,
  MAX_FRAME_BYTES,
  MAX_HELLO_BYTES,
  ThermoclineError,
  WIRE_VERSION,
  writeGoodbye,
} from '@thermocline/protocol'
import type { PeerLink, PeerLinkEvents } from '../io/ports.ts'
import { PEER_SILENT_MS } from '../paxos/constants.ts'
import type { Outbox } from '../paxos/core.ts'
import { beginPeerFrame, endPeerFrame, type PeerHello, readNaming, readPeerHello, writePeerHello } from '../paxos/frames.ts'
import type { MessageWriter } from '../paxos/messages.ts'
import type { ProcessRef } from '../paxos/processes.ts'
import type { PeerMemories } from './peer-memory.ts'

/** A peer that does not take its frames is cut off at this many unsent bytes; it catches up after it reconnects. */
export const MAX_PEER_BUFFER_BYTES = 64 * 1024 * 1024

/**
 * A frame that has this many bytes takes no further message. Each message is written whole between two calls of `now`,
 * and the largest (entries answering a fetch) takes less than MAX_FRAME_BYTES minus this.
 */
const FULL_FRAME_BYTES = 2 * 1024 * 1024
/** Forwarded writes of one connection whose ids are remembered. */
const MAX_REMEMBERED_FORWARDS = 4096

/** A larger writer of votes is not kept for the next ones. */
const MAX_SPARE_BYTES = 256 * 1024

interface Votes {
  write: number
  writer: ByteWriter
}

export interface Peer {
  readonly replica: number
  link: PeerLink | undefined
  isReady: boolean
  process: ProcessRef
  lastHeardMs: number
  now: ByteWriter
  nowUsed: boolean
  votes: Votes[]
  /** Why the last connection ended or was refused. */
  reason: string | undefined
  chosenTotal: number
  chosenHash: number
  /** Ids of the last forwarded writes that came by this connection: each is taken once. */
  readonly forwards: Set<number>
  /** Version of what its frames name that was last read, -1 before the first. */
  naming: number
  /** Heartbeats in a row that named the same, other position than ours. */
  differs: number
}

export interface PeersOptions {
  readonly replica: number
  readonly replicaCount: number
  readonly messages: MessageWriter
  readonly memories: PeerMemories
  readonly nowMs: () => number
  readonly hello: () => PeerHello
  /** Checks what a hello claims beyond the volume's history: cluster, group, slot. Returns the peer's process ref. */
  readonly admit: (hello: PeerHello) => ProcessRef
  readonly durableWrite: () => number
  readonly epoch: () => number
  readonly onReady: (peer: Peer, hello: PeerHello) => void
  readonly onLost: (peer: Peer) => void
  /** The messages of one frame; throws DecodeError on garbage. */
  readonly onFrame: (peer: Peer, reader: ByteReader, epoch: number) => void
  /** A later incarnation of some replica became known. */
  readonly onNamed: () => void
  /** A peer has said that this volume must not go on. */
  readonly onRejected: (code: string, message: string) => void
}

export class Peers implements Outbox {
  private readonly options: PeersOptions
  readonly messages: MessageWriter
  readonly all: Peer[] = []
  /** Writers of votes that have left. */
  private readonly spare: ByteWriter[] = []
  framesSent = 0
  framesReceived = 0

  constructor(options: PeersOptions) {
    this.options = options
    this.messages = options.messages
    for (let replica = 0; replica < options.replicaCount; replica++) {
      const now = new ByteWriter(64 * 1024)
      this.all.push({
        replica,
        link: undefined,
        isReady: false,
        process: 0,
        lastHeardMs: 0,
        now,
        nowUsed: false,
        votes: [],
        reason: replica === options.replica ? undefined : 'not connected yet',
        chosenTotal: 0,
        chosenHash: 0,
        forwards: new Set(),
        naming: -1,
        differs: 0,
      })
    }
  }

  now(replica: number): ByteWriter | undefined {
    const peer = this.all[replica] as Peer
    if (!peer.isReady) return undefined
    if (peer.nowUsed && peer.now.length > FULL_FRAME_BYTES) {
      peer.nowUsed = false
      this.send(peer, peer.now)
      if (!peer.isReady) return undefined
    }
    if (!peer.nowUsed) {
      peer.nowUsed = true
      peer.now.reset()
      beginPeerFrame(peer.now, this.options.memories.naming)
    }
    return peer.now
  }

  afterSync(replica: number, write: number): ByteWriter | undefined {
    if (write <= this.options.durableWrite()) return this.now(replica)
    const peer = this.all[replica] as Peer
    if (!peer.isReady) return undefined
    // Votes rest on the write being filled, on the one under way, or on one between: a short list, in order.
    let at = peer.votes.length
    while (at > 0 && (peer.votes[at - 1] as Votes).write > write) at--
    const known = peer.votes[at - 1]
    if (known?.write === write && known.writer.length <= FULL_FRAME_BYTES) return known.writer
    const writer = this.spare.pop() ?? new ByteWriter(16 * 1024)
    writer.reset()
    beginPeerFrame(writer, this.options.memories.naming)
    peer.votes.splice(at, 0, { write, writer })
    return writer
  }

  /** False if this connection has brought the forwarded write before. */
  isNewForward(replica: number, id: number): boolean {
    const { forwards } = this.all[replica] as Peer
    if (forwards.has(id)) return false
    forwards.add(id)
    if (forwards.size > MAX_REMEMBERED_FORWARDS) forwards.delete(forwards.values().next().value as number)
    return true
  }

  /** Every peer that is there gets a frame this turn. */
  allAreWritten(): boolean {
    return this.all.every(({ isReady, nowUsed }) => nowUsed || !isReady)
  }

  /** Sends the requests of this turn. */
  flushRequests(): void {
    for (const peer of this.all) {
      if (!peer.nowUsed) continue
      peer.nowUsed = false
      if (peer.isReady) this.send(peer, peer.now)
    }
  }

  /** Sends the votes that rest on log writes up to `write`. */
  releaseVotes(write: number): void {
    for (const peer of this.all) {
      while (peer.votes.length > 0 && (peer.votes[0] as Votes).write <= write) {
        const votes = peer.votes.shift() as Votes
        if (peer.isReady) this.send(peer, votes.writer)
        if (this.spare.length < this.all.length && votes.writer.bytes.length <= MAX_SPARE_BYTES) this.spare.push(votes.writer)
      }
    }
  }

  private send(peer: Peer, frame: ByteWriter): void {
    endPeerFrame(frame, this.options.durableWrite(), this.options.epoch(), this.options.memories.naming)
    const link = peer.link as PeerLink
    this.framesSent++
    link.send(frame.written())
    const { bufferedBytes } = link
    if (bufferedBytes > MAX_PEER_BUFFER_BYTES) this.drop(peer, `does not take its frames: ${bufferedBytes} bytes wait`)
  }

  /** Bits of the replicas that are connected and not silent. */
  liveMask(): number {
    const oldest = this.options.nowMs() - PEER_SILENT_MS
    let mask = 1 << this.options.replica
    for (const peer of this.all) if (peer.isReady && peer.lastHeardMs >= oldest) mask |= 1 << peer.replica
    return mask
  }

  /** A connection to `replica`, dialled by us, or one that was accepted. */
  onLink(link: PeerLink, replica: number | undefined): PeerLinkEvents {
    let peer: Peer | undefined
    const decoder = new FrameDecoder(
      new ByteReader(),
      (type, reader) => {
        if (peer === undefined) {
          peer = this.onHello(link, type, reader, replica)
          decoder.maxBytes = MAX_FRAME_BYTES
        }
        // What came before in the same chunk may have ended the connection: the rest is nobody's.
        else if (peer.link === link) this.onFrame(peer, type, reader)
      },
      MAX_HELLO_BYTES,
    )
    if (replica !== undefined) this.sendHello(link)
    const isCurrent = (): boolean => peer === undefined || peer.link === link
    return {
      onData: (chunk) => {
        if (!isCurrent()) return
        try {
          decoder.push(chunk)
        } catch (error) {
          if (!(error instanceof DecodeError) && !(error instanceof ThermoclineError)) throw error
          const code = error instanceof ThermoclineError ? error.code : 'bad_frame'
          this.refuse(link, code, error.message)
          if (peer !== undefined) this.forget(peer, error.message)
          else if (replica !== undefined) (this.all[replica] as Peer).reason = error.message
        }
      },
      onClose: (reason) => {
        if (peer !== undefined && peer.link === link) this.drop(peer, reason)
        else if (peer === undefined && replica !== undefined) (this.all[replica] as Peer).reason = reason
      },
    }
  }

  private sendHello(link: PeerLink): void {
    const w = new ByteWriter(256)
    writePeerHello(w, this.options.hello())
    link.send(w.written())
  }

  private refuse(link: PeerLink, code: 'bad_frame' | ThermoclineError['code'], message: string): void {
    const w = new ByteWriter(256)
    writeGoodbye(w, code, message)
    link.send(w.written())
    link.close()
  }

  private onHello(link: PeerLink, type: number, reader: ByteReader, dialled: number | undefined): Peer {
    if (type === FrameType.goodbye) throw this.goodbye(reader)
    if (type !== FrameType.peerHello) throw new DecodeError(`frame type ${type} came before the peer hello`)
    const hello = readPeerHello(reader)
    if (hello.version !== WIRE_VERSION) {
      throw new ThermoclineError(
        'unsupported_version',
        `the peer speaks version ${hello.version} of the wire format, this replica ${WIRE_VERSION}`,
      )
    }
    const { options } = this
    const process = options.admit(hello)
    if (hello.isStranger) {
      if (dialled === undefined) this.sendHello(link)
      throw new ThermoclineError('unavailable', 'the peer only asked which incarnations are named')
    }
    const { replica } = hello.process
    if (dialled !== undefined && dialled !== replica) {
      throw new ThermoclineError(
        'wrong_cluster',
        `dialled replica ${dialled}, but replica ${replica} answered; check the addresses in the topology`,
      )
    }
    const verdict = options.memories.check(hello)
    if (!verdict.ok) throw new ThermoclineError('rolled_back', verdict.reason)
    let isNews = false
    for (const [other, incarnation] of hello.incarnations) isNews = options.memories.name(other, incarnation) || isNews
    if (isNews) options.onNamed()
    if (dialled === undefined) this.sendHello(link)
    const peer = this.all[replica] as Peer
    if (peer.link !== undefined) this.drop(peer, 'replaced by a newer connection')
    peer.link = link
    peer.isReady = true
    peer.process = process
    peer.lastHeardMs = options.nowMs()
    peer.reason = undefined
    peer.differs = 0
    peer.naming = -1
    options.onReady(peer, hello)
    return peer
  }

  private goodbye(reader: ByteReader): ThermoclineError {
    const code = errorCodeOf(reader.u8())
    const message = new TextDecoder().decode(reader.take(reader.u16()))
    if (code === 'rolled_back') this.options.onRejected(code, message)
    return new ThermoclineError(code, `the peer closed the connection: ${message}`)
  }

  private onFrame(peer: Peer, type: number, reader: ByteReader): void {
    if (type === FrameType.goodbye) throw this.goodbye(reader)
    if (type !== FrameType.peer) throw new DecodeError(`frame type ${type} is not a peer frame`)
    peer.lastHeardMs = this.options.nowMs()
    this.framesReceived++
    this.options.memories.noteWrite(peer.replica, reader.u48())
    const epoch = reader.u32()
    let isNews = false
    peer.naming = readNaming(reader, peer.naming, (replica, incarnation) => {
      isNews = this.options.memories.name(replica, incarnation) || isNews
    })
    if (isNews) this.options.onNamed()
    // The news may be that this peer, or this replica, has been replaced.
    if (peer.isReady) this.options.onFrame(peer, reader, epoch)
  }

  private drop(peer: Peer, reason: string): void {
    const { link } = peer
    if (link === undefined) return
    this.forget(peer, reason)
    link.abort()
  }

  /** Its connection, which has ended or will, is the peer's no more. */
  private forget(peer: Peer, reason: string): void {
    if (peer.link === undefined) return
    peer.link = undefined
    peer.isReady = false
    peer.process = 0
    peer.nowUsed = false
    peer.votes = []
    peer.forwards.clear()
    peer.reason = reason
    this.options.onLost(peer)
  }

  /** Ends the connection of a process that another incarnation has replaced (⚖5). */
  dropReplaced(peer: Peer): void {
    this.drop(peer, 'its volume has been replaced')
  }

  /** Once what was sent has gone. */
  closeAll(): void {
    for (const peer of this.all) {
      peer.link?.close()
      this.forget(peer, 'stopping')
    }
  }
}
