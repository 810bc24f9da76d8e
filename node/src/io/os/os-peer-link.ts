/**
 * One TCP connection to a peer, or to who claims to be one. Its first frame, the hello, is gathered here, and has to come whole, and
 * soon; what it holds before and after counts against the node's bounds.
 */
import { MAX_HELLO_BYTES } from '@thermocline/protocol'
import { HELLO_TIMEOUT_MS } from '../../doors/hello-bounds.ts'
import type { Holder } from '../../doors/shared-bound.ts'
import { sourceOf } from '../../doors/source.ts'
import type { Traffic } from '../../doors/traffic.ts'
import type { FrameSource } from '../../doors/unfinished-frames.ts'
import type { ByteStream, IncomingStream, PeerLink, PeerLinkEvents } from '../ports.ts'

const LENGTH_BYTES = 4
const NOTHING = new Uint8Array(0)

export interface LinkOrigin {
  /** The replica that was dialled; undefined: the link was accepted. */
  readonly dialled: number | undefined
  /** When the connection came, by `performance.now`. */
  readonly arrivedMs: number
}

export interface LinkOwner {
  /** The first frame has come whole. False if the link has to end, and nobody else is to see the frame. */
  onHello(frame: Uint8Array): boolean
  /** The link has broken a rule; it is closed. */
  onUnfit(reason: string): void
  onClose(): void
}

export class OsPeerLink implements PeerLink, FrameSource {
  readonly source: string
  readonly dialled: number | undefined
  private readonly owner: LinkOwner
  private readonly traffic: Traffic
  private readonly stream: ByteStream
  private readonly helloTimer: NodeJS.Timeout
  private readonly untaken: Holder
  private events: PeerLinkEvents | undefined
  /** What has come of the hello. */
  private first: Uint8Array = NOTHING
  private isUnfinished = false
  isGreeted = false
  /** This side has said something: an accepted link is answered once its hello was taken, or refused. */
  hasAnswered = false
  /** It closes once what was sent has gone. */
  isClosing = false
  heardMs = performance.now()
  /** The slot that its hello claims. */
  claimed: number | undefined

  /** Throws if this process may open no more descriptors. */
  constructor(socket: IncomingStream, { dialled, arrivedMs }: LinkOrigin, traffic: Traffic, owner: LinkOwner) {
    this.source = sourceOf(socket.remoteAddress)
    this.dialled = dialled
    this.traffic = traffic
    this.owner = owner
    this.untaken = { source: this.source, cut: () => this.unfit('what all connections have not taken takes too much') }
    this.stream = socket.take({
      onData: (bytes) => this.onData(bytes),
      onDrain: () => traffic.untaken.set(this.untaken, 0),
      onClose: (reason) => this.onClose(reason),
    })
    const leftMs = Math.max(1, HELLO_TIMEOUT_MS - (performance.now() - arrivedMs))
    // What came while this process was held up is read first.
    this.helloTimer = setTimeout(() => setImmediate(() => this.onHelloTimeout()), leftMs).unref()
  }

  /** From now on somebody listens. */
  open(events: PeerLinkEvents): void {
    this.events = events
  }

  onData(bytes: Uint8Array): void {
    if (this.events === undefined || this.stream.isClosed) return
    this.heardMs = performance.now()
    const whole = this.isGreeted ? bytes : this.gather(bytes)
    if (whole === undefined) return
    this.events.onData(whole)
    const isUnfinished = this.events.decoder.heldBytes > 0
    if (!isUnfinished && !this.isUnfinished) return
    this.isUnfinished = isUnfinished
    this.traffic.unfinished.note(this)
  }

  /** All that has come, once the hello is whole, or it is plain that it will be none. */
  private gather(bytes: Uint8Array): Uint8Array | undefined {
    this.first = this.first.length === 0 ? bytes : Buffer.concat([this.first, bytes])
    const { first } = this
    if (first.length < LENGTH_BYTES) return undefined
    const length = new DataView(first.buffer, first.byteOffset, LENGTH_BYTES).getUint32(0, true)
    const isInRange = length >= 1 && length <= MAX_HELLO_BYTES
    if (isInRange && first.length < LENGTH_BYTES + length) return undefined
    this.isGreeted = true
    clearTimeout(this.helloTimer)
    this.first = NOTHING
    // The decoder of who listens says what is wrong with the length.
    return this.owner.onHello(isInRange ? first.subarray(0, LENGTH_BYTES + length) : NOTHING) ? first : undefined
  }

  private onHelloTimeout(): void {
    if (!this.isGreeted && !this.stream.isClosed) this.unfit(`no hello came within ${HELLO_TIMEOUT_MS} ms`)
  }

  get decoder(): PeerLinkEvents['decoder'] {
    return (this.events as PeerLinkEvents).decoder
  }

  /** Peers are always read. */
  get isPaused(): boolean {
    return false
  }

  cutFrame(_code: string, message: string): void {
    this.unfit(message)
  }

  private unfit(reason: string): void {
    this.owner.onUnfit(reason)
    this.abort(reason)
  }

  send(bytes: Uint8Array): void {
    this.hasAnswered = true
    this.stream.write(bytes)
    if (this.stream.unsentBytes > 0 && !this.stream.isClosed) this.traffic.untaken.set(this.untaken, this.stream.unsentBytes)
  }

  close(): void {
    this.isClosing = true
    this.stream.closeSoon()
  }

  /** @param reason what `onClose` is told. */
  abort(reason?: string): void {
    this.isClosing = true
    this.letGo()
    this.stream.close(reason)
  }

  get bufferedBytes(): number {
    return this.stream.unsentBytes
  }

  private onClose(reason: string): void {
    this.letGo()
    this.owner.onClose()
    this.events?.onClose(reason)
  }

  private letGo(): void {
    clearTimeout(this.helloTimer)
    this.traffic.unfinished.forget(this)
    this.traffic.untaken.set(this.untaken, 0)
  }
}
