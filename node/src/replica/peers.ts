/**
 * Connections to the other replicas of the group: frames in and out, and who is live. How one opens stands in opening.ts.
 *
 * Two kinds of messages leave: requests at the end of the turn that made them, and votes once the log write they rest
 * on is durable (⚖4). A vote belongs to the connection its request came by: when that is lost, so is the vote, since a
 * new process on the other end would read it as an answer to its own ballot.
 */
import { type ByteReader, ByteWriter, DecodeError, type ErrorCode, FrameType, type Incarnation } from '@thermocline/protocol'
import type { PeerLink, PeerLinkEvents } from '../io/ports.ts'
import { PEER_DEAD_MS, PEER_SILENT_MS } from '../paxos/constants.ts'
import type { Outbox } from '../paxos/core.ts'
import { beginPeerFrame, endPeerFrame, openSealed, type PeerClaim, type PeerHello, readNaming } from '../paxos/frames.ts'
import type { MessageWriter } from '../paxos/messages.ts'
import type { ProcessRef } from '../paxos/processes.ts'
import type { Confirmation } from './confirmation.ts'
import { Opening, type OpeningHost } from './opening.ts'
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

/** Claims to be one replica that are confirmed at once; more are refused, and their claimants dial again. */
const MAX_CONFIRMING = 4

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
  /** The incarnations that its process has named last, by replica. They count for nothing but which votes go together (⚖5). */
  readonly claims: Map<number, Incarnation>
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
  /** Checks what a hello claims: cluster, group, slot. @throws ThermoclineError */
  readonly admit: (hello: PeerHello) => void
  /** Asks at the claimed replica's address whether the claim is its own. */
  readonly confirm: (claim: PeerClaim) => Promise<Confirmation>
  readonly isOwn: (claim: PeerClaim) => boolean
  /** Checks a confirmed hello against what is remembered of the volume. @throws ThermoclineError */
  readonly judge: (hello: PeerHello) => void
  readonly processOf: (hello: PeerHello) => ProcessRef
  readonly durableWrite: () => number
  readonly epoch: () => number
  readonly onReady: (peer: Peer, hello: PeerHello) => void
  readonly onLost: (peer: Peer) => void
  /** The messages of one frame; throws DecodeError on garbage. */
  readonly onFrame: (peer: Peer, reader: ByteReader, epoch: number) => void
  /** A peer names other incarnations than before. */
  readonly onClaims: () => void
  /** A peer has said of this volume that it must not go on. */
  readonly onVerdict: (replica: number, code: ErrorCode, message: string) => void
}

export class Peers implements Outbox {
  private readonly options: PeersOptions
  readonly messages: MessageWriter
  readonly all: Peer[] = []
  /** Writers of votes that have left. */
  private readonly spare: ByteWriter[] = []
  private readonly host: OpeningHost<Peer>
  /** Claims of each replica that are being confirmed. */
  private readonly confirming: number[]
  /** Links whose hellos have not been exchanged, and since when. */
  private readonly opening = new Map<PeerLink, number>()
  private sweptMs = 0
  framesSent = 0
  framesReceived = 0

  constructor(options: PeersOptions) {
    this.options = options
    this.host = this.makeHost(options)
    this.confirming = new Array(options.replicaCount).fill(0)
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
        claims: new Map(),
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

  /** Called at every sweep: gives up peers of which nothing whole came for long, and links that never opened. */
  dropDead(): void {
    const nowMs = this.options.nowMs()
    // If this process was held up itself, what has come meanwhile has not been read yet.
    const isLate = nowMs - this.sweptMs > PEER_SILENT_MS
    this.sweptMs = nowMs
    if (isLate) return
    for (const [link, sinceMs] of this.opening) {
      if (nowMs - sinceMs <= PEER_DEAD_MS) continue
      this.opening.delete(link)
      link.abort()
    }
    for (const peer of this.all)
      if (peer.isReady && nowMs - peer.lastHeardMs > PEER_DEAD_MS) this.drop(peer, `no whole frame came for ${PEER_DEAD_MS} ms`)
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
    this.opening.set(link, this.options.nowMs())
    return new Opening(this.host, link, replica).events
  }

  private makeHost(options: PeersOptions): OpeningHost<Peer> {
    return {
      hello: options.hello,
      admit: options.admit,
      isKnown: (hello) => options.memories.isKnown(hello),
      confirm: (claim) => this.confirm(claim),
      isOwn: options.isOwn,
      judge: options.judge,
      open: (link, hello) => this.open(link, hello),
      onFrame: (peer, type, reader) => this.onFrame(peer, type, reader),
      onVerdict: options.onVerdict,
      onEnd: (link, replica, peer, reason, isClosed) => {
        this.opening.delete(link)
        if (peer === undefined) {
          if (replica !== undefined) (this.all[replica] as Peer).reason = reason
        } else if (peer.link === link) {
          if (isClosed) this.drop(peer, reason)
          else this.forget(peer, reason)
        }
      },
      isCurrent: (link, peer) => peer.link === link,
    }
  }

  private async confirm(claim: PeerClaim): Promise<Confirmation> {
    const { replica } = claim.process
    if ((this.confirming[replica] as number) >= MAX_CONFIRMING) return 'unreachable'
    this.confirming[replica] = (this.confirming[replica] as number) + 1
    const answer = await this.options.confirm(claim)
    this.confirming[replica] = (this.confirming[replica] as number) - 1
    return answer
  }

  private open(link: PeerLink, hello: PeerHello): Peer {
    const { options } = this
    const peer = this.all[hello.process.replica] as Peer
    this.opening.delete(link)
    if (peer.link !== undefined) this.drop(peer, 'replaced by a newer connection')
    peer.link = link
    peer.isReady = true
    peer.process = options.processOf(hello)
    peer.lastHeardMs = options.nowMs()
    peer.reason = undefined
    peer.differs = 0
    peer.naming = -1
    options.onReady(peer, hello)
    return peer
  }

  private onFrame(peer: Peer, type: number, reader: ByteReader): void {
    if (type !== FrameType.peer) throw new DecodeError(`frame type ${type} is not a peer frame`)
    openSealed(reader)
    peer.lastHeardMs = this.options.nowMs()
    this.framesReceived++
    this.options.memories.noteWrite(peer.replica, reader.u48())
    const epoch = reader.u32()
    this.readClaims(peer, reader)
    // The news may be that this peer, or this replica, has been replaced.
    if (peer.isReady) this.options.onFrame(peer, reader, epoch)
  }

  /** What the frame names, all of it: what it does not name any more, the peer has not said. */
  private readClaims(peer: Peer, reader: ByteReader): void {
    const { claims, naming } = peer
    const named: [number, Incarnation][] = []
    peer.naming = readNaming(reader, naming, (replica, incarnation) => named.push([replica, incarnation]))
    if (peer.naming === naming) return
    const isNews = claims.size > 0 || named.length > 0
    claims.clear()
    for (const [replica, incarnation] of named) claims.set(replica, incarnation)
    if (isNews) this.options.onClaims()
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
