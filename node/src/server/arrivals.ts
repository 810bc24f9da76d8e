/**
 * Connections that have not said yet who they are: their first frame, the hello, has to come whole, and soon. Nothing else is kept for
 * them, and they are many at most; when there are too many, the source that has most of them loses its oldest, so that strangers who
 * say nothing keep nobody out.
 */
import { ByteWriter, type ErrorCode, FRAME_HEADER_BYTES, FrameType, MAX_HELLO_BYTES, writeGoodbye } from '@thermocline/protocol'
import { HELLO_TIMEOUT_MS } from '../doors/hello-bounds.ts'
import { type Holder, SharedBound } from '../doors/shared-bound.ts'
import { sourceOf } from '../doors/source.ts'
import type { Clock, IncomingStream } from '../io/ports.ts'

/** More than the kernel hands over at once, so that who has sent a hello already is not pushed out by those who come in the same turn. */
export const MAX_ARRIVALS = 4096 + 512
const LENGTH_BYTES = 4
/** With what a peer begins: it opens a connection, or asks one question. */
const PEERS_FIRST: ReadonlySet<number> = new Set<number>([FrameType.peerHello, FrameType.peerConfirm])
const NOTHING = new Uint8Array(0)

/** For who asks the data port with curl. */
const HTTP_ANSWER = new TextEncoder().encode(
  'HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n' +
    'wrong_role: this is the data port, for clients of the library; `thermocline status` shows the HTTP port\n',
)

export interface ArrivalsHost {
  readonly clock: Clock
  /** The hello of a client has come whole, or what came is none. The first bytes are the caller's. */
  onClient(stream: IncomingStream, first: Uint8Array, source: string): void
  /** The first bytes are a peer's; its hello need not be whole. @param arrivedMs as `clock` has it. */
  onPeer(stream: IncomingStream, first: Uint8Array, arrivedMs: number): void
  complain(source: string, what: string, fields: Record<string, unknown>): void
}

export class Arrivals {
  private readonly host: ArrivalsHost
  private readonly bound: SharedBound
  private readonly waiting = new Set<Arrival>()

  constructor(host: ArrivalsHost, most: number) {
    this.host = host
    this.bound = new SharedBound(most)
  }

  get count(): number {
    return this.waiting.size
  }

  add(stream: IncomingStream): void {
    const arrival = new Arrival(stream, this.host, () => {
      this.waiting.delete(arrival)
      this.bound.set(arrival, 0)
    })
    this.waiting.add(arrival)
    this.bound.set(arrival, 1)
  }

  destroyAll(): void {
    for (const arrival of this.waiting) arrival.destroy()
  }
}

class Arrival implements Holder {
  private readonly stream: IncomingStream
  private readonly host: ArrivalsHost
  private readonly onEnd: () => void
  private readonly arrivedMs: number
  private readonly cancelTimeout: () => void
  private first: Uint8Array = NOTHING
  private isAnswered = false
  private hasLeft = false
  readonly source: string

  constructor(stream: IncomingStream, host: ArrivalsHost, onEnd: () => void) {
    const { clock } = host
    this.stream = stream
    this.host = host
    this.onEnd = onEnd
    this.source = sourceOf(stream.remoteAddress)
    this.arrivedMs = clock.nowMs()
    // What came while this process was held up is read first.
    this.cancelTimeout = clock.after(HELLO_TIMEOUT_MS, () => clock.soon(this.onTimeout))
    stream.follow({ onData: this.onData, onClose: this.onClose })
  }

  /** There are too many. */
  cut(): void {
    this.host.complain(this.source, 'a connection was closed before its hello: too many wait to say one', {})
    this.destroy()
  }

  readonly destroy = (): void => {
    this.stream.close()
  }

  private readonly onData = (chunk: Uint8Array): void => {
    if (this.isAnswered) return
    this.first = this.first.length === 0 ? chunk : joined(this.first, chunk)
    const { first } = this
    if (first.length < FRAME_HEADER_BYTES) return
    if (isHttp(first)) this.answer(HTTP_ANSWER)
    else if (PEERS_FIRST.has(first[FRAME_HEADER_BYTES - 1] as number)) {
      this.leave()
      this.host.onPeer(this.stream, first, this.arrivedMs)
    } else if (isWholeOrTooLong(first)) {
      this.leave()
      this.host.onClient(this.stream, first, this.source)
    }
  }

  private readonly onTimeout = (): void => {
    if (this.hasLeft || this.stream.isClosed) return
    if (this.isAnswered) this.destroy()
    else this.refuse('unavailable', `no hello came within ${HELLO_TIMEOUT_MS} ms`)
  }

  private refuse(code: ErrorCode, message: string): void {
    const w = new ByteWriter(256)
    writeGoodbye(w, code, message)
    this.answer(w.copy())
    this.host.complain(this.source, 'a client connection was closed', { code, message })
    // One that takes the goodbye hangs up.
    this.host.clock.after(HELLO_TIMEOUT_MS, this.destroy)
  }

  private answer(bytes: Uint8Array): void {
    this.isAnswered = true
    this.first = NOTHING
    this.stream.end(bytes)
  }

  private readonly onClose = (): void => {
    this.cancelTimeout()
    this.onEnd()
  }

  /** The connection is somebody else's from now on. */
  private leave(): void {
    this.hasLeft = true
    this.onClose()
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

function isWholeOrTooLong(first: Uint8Array): boolean {
  const length = new DataView(first.buffer, first.byteOffset, LENGTH_BYTES).getUint32(0, true)
  return length < 1 || length > MAX_HELLO_BYTES || first.length >= LENGTH_BYTES + length
}

/** Does it begin with a method of HTTP? As the length of a frame these letters would be far beyond the limit. */
function isHttp(first: Uint8Array): boolean {
  return /^(GET |PUT |POST |HEAD |DELET|PATCH|OPTIO|CONNE)/.test(Buffer.from(first.buffer, first.byteOffset, 5).toString('latin1'))
}
