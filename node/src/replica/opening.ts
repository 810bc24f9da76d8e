/**
 * How a connection between replicas opens. The dialler says hello first; the other side checks what the hello claims, has an
 * unknown process confirmed at the replica's address (confirmation.ts), and answers with its own hello.
 *
 *     hello ──stranger: it is told which incarnations are named──► over
 *       ├────asks to confirm a claim──► answered ──► over
 *       ├────dialled, or a process that is remembered──► checked ──► open
 *       └────unknown──► confirming ──at the topology's address it is the same──► checked ──► open
 *                          └──it is not──► over
 *
 * Nothing that an unconfirmed process says changes anything here. What a verdict of the other side (`rolled_back`, `replaced`)
 * says counts only from whom this side has dialled, or greeted.
 */
import {
  ByteReader,
  ByteWriter,
  DecodeError,
  type ErrorCode,
  FrameDecoder,
  FrameType,
  MAX_FRAME_BYTES,
  MAX_HELLO_BYTES,
  PEER_VERSION,
  ThermoclineError,
} from '@thermocline/protocol'
import type { PeerLink, PeerLinkEvents } from '../io/ports.ts'
import {
  type PeerClaim,
  type PeerHello,
  readPeerConfirm,
  readPeerGoodbye,
  readPeerHello,
  writePeerConfirmed,
  writePeerGoodbye,
  writePeerHello,
} from '../paxos/frames.ts'
import type { Confirmation } from './confirmation.ts'

/** The hello of a process that may not know the secrets of this one. */
const NO_NONCE = '0'.repeat(16)

export interface OpeningHost<Peer> {
  readonly hello: () => PeerHello
  /** @throws ThermoclineError if the hello comes from another cluster or group, an impossible slot, or a volume that is no member. */
  readonly admit: (hello: PeerHello) => void
  /** The very process is remembered: it was confirmed before. */
  readonly isKnown: (hello: PeerHello) => boolean
  readonly confirm: (claim: PeerClaim) => Promise<Confirmation>
  /** The claim is this process's own. */
  readonly isOwn: (claim: PeerClaim) => boolean
  /** What the process is worth by its volume's history. Called once it is confirmed. @throws ThermoclineError */
  readonly judge: (hello: PeerHello) => void
  /** The connection is the replica's from now on. */
  readonly open: (link: PeerLink, hello: PeerHello) => Peer
  readonly onFrame: (peer: Peer, type: number, reader: ByteReader) => void
  /** A peer says of this volume that it must not go on. */
  readonly onVerdict: (replica: number, code: ErrorCode, message: string) => void
  /** The connection to a dialled replica, or of a greeted one, has ended or will. */
  readonly onEnd: (link: PeerLink, replica: number | undefined, peer: Peer | undefined, reason: string, isClosed: boolean) => void
  /** The peer's connection is still this one. */
  readonly isCurrent: (link: PeerLink, peer: Peer) => boolean
}

export class Opening<Peer> {
  private readonly host: OpeningHost<Peer>
  private readonly link: PeerLink
  /** The replica that this side has dialled. */
  private readonly dialled: number | undefined
  private readonly decoder: FrameDecoder
  private state: 'hello' | 'confirming' | 'open' | 'over' = 'hello'
  private peer: Peer | undefined
  private replica: number | undefined
  readonly events: PeerLinkEvents

  constructor(host: OpeningHost<Peer>, link: PeerLink, dialled: number | undefined) {
    this.host = host
    this.link = link
    this.dialled = dialled
    this.replica = dialled
    this.decoder = new FrameDecoder(new ByteReader(), (type, reader) => this.onFrame(type, reader), MAX_HELLO_BYTES)
    this.events = {
      decoder: this.decoder,
      onData: (chunk) => this.guarded(() => this.decoder.push(chunk)),
      onClose: (reason) => {
        this.state = 'over'
        host.onEnd(link, this.replica, this.peer, reason, true)
      },
    }
    if (dialled !== undefined) this.sendHello(host.hello())
  }

  /** What breaks the protocol costs this connection alone. */
  private guarded(run: () => void): void {
    if (this.state === 'over') return
    try {
      run()
    } catch (error) {
      if (!(error instanceof DecodeError) && !(error instanceof ThermoclineError)) throw error
      this.refuse(error instanceof ThermoclineError ? error.code : 'bad_frame', error.message)
    }
  }

  private refuse(code: ErrorCode, message: string): void {
    const w = new ByteWriter(256)
    writePeerGoodbye(w, code, message)
    this.end(w, message)
  }

  /** Sends a last frame and closes. */
  private end(last: ByteWriter, reason: string): void {
    this.state = 'over'
    this.link.send(last.written())
    this.link.close()
    this.host.onEnd(this.link, this.replica, this.peer, reason, false)
  }

  private onFrame(type: number, reader: ByteReader): void {
    // What came before in the same chunk may have ended the connection: the rest is nobody's.
    if (this.state === 'over' || (this.peer !== undefined && !this.host.isCurrent(this.link, this.peer))) return
    if (type === FrameType.peerGoodbye) this.onGoodbye(reader)
    else if (this.state === 'open') this.host.onFrame(this.peer as Peer, type, reader)
    else if (this.state === 'confirming') throw new DecodeError(`frame type ${type} came before the hello was answered`)
    else if (type === FrameType.peerConfirm && this.dialled === undefined) this.onConfirm(readPeerConfirm(reader))
    else if (type === FrameType.peerHello) this.onHello(readPeerHello(reader))
    else throw new DecodeError(`frame type ${type} came before the peer hello`)
  }

  private onConfirm(claim: PeerClaim): void {
    const w = new ByteWriter(64)
    writePeerConfirmed(w, this.host.isOwn(claim))
    this.end(w, 'the peer only asked about a claim')
  }

  private onHello(hello: PeerHello): void {
    const { host, dialled } = this
    if (hello.version !== PEER_VERSION) {
      throw new ThermoclineError(
        'unsupported_version',
        `the peer speaks version ${hello.version} of the format between replicas, this replica ${PEER_VERSION}`,
      )
    }
    host.admit(hello)
    if (hello.isStranger) {
      // It learns what is named; who it is was not looked at.
      if (dialled === undefined) this.sendHello({ ...host.hello(), bootNonce: NO_NONCE })
      throw new ThermoclineError('unavailable', 'the peer only asked which incarnations are named')
    }
    const { replica } = hello.process
    if (dialled !== undefined && dialled !== replica) {
      throw new ThermoclineError(
        'wrong_cluster',
        `dialled replica ${dialled}, but replica ${replica} answered; check the addresses in the topology`,
      )
    }
    if (dialled !== undefined || host.isKnown(hello)) this.open(hello)
    else this.confirm(hello)
  }

  private confirm(hello: PeerHello): void {
    this.state = 'confirming'
    void this.host.confirm(hello).then((answer) =>
      this.guarded(() => {
        if (answer === 'confirmed') {
          this.open(hello)
          return
        }
        const why = answer === 'denied' ? 'another process answers' : 'nobody answers'
        throw new ThermoclineError(
          'unavailable',
          `the peer says it is replica ${hello.process.replica}, but at its address in the topology ${why}`,
        )
      }),
    )
  }

  private open(hello: PeerHello): void {
    const { host } = this
    this.replica = hello.process.replica
    host.judge(hello)
    if (this.dialled === undefined) this.sendHello(host.hello())
    this.state = 'open'
    this.decoder.maxBytes = MAX_FRAME_BYTES
    this.peer = host.open(this.link, hello)
  }

  private sendHello(hello: PeerHello): void {
    const w = new ByteWriter(256)
    writePeerHello(w, hello)
    this.link.send(w.written())
  }

  private onGoodbye(reader: ByteReader): void {
    const { code, message } = readPeerGoodbye(reader)
    this.state = 'over'
    this.link.close()
    this.host.onEnd(this.link, this.replica, this.peer, `the peer closed the connection: ${message}`, false)
    if (this.replica !== undefined) this.host.onVerdict(this.replica, code, message)
  }
}
