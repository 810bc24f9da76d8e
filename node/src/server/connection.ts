/**
 * One client connection on the data port: hello, then batches of requests in, batches of responses out. All responses
 * that become ready in one turn leave in one frame and one socket write. Anything malformed gets a coded goodbye and
 * costs only this connection.
 */
import {
  ANY_CLUSTER,
  ByteReader,
  ByteWriter,
  beginFrame,
  DecodeError,
  ERRORS,
  endFrame,
  FrameDecoder,
  FrameType,
  HelloKind,
  MAX_FRAME_BYTES,
  MAX_HELLO_BYTES,
  type ProcessId,
  readBatchHead,
  readHello,
  ThermoclineError,
  WIRE_VERSION,
  writeGoodbye,
  writeHelloOk,
} from '@thermocline/protocol'
import { type Caller, NodeRequest } from '../doors/node-request.ts'
import type { Holder } from '../doors/shared-bound.ts'
import { SMALL_ANSWER_BYTES, type Traffic } from '../doors/traffic.ts'
import type { FrameSource } from '../doors/unfinished-frames.ts'
import type { ByteStream, Clock, IncomingStream } from '../io/ports.ts'
import { writeFailure } from '../kv/answers.ts'

/** Requests of one connection that may wait for their answers. */
export const MAX_CONNECTION_REQUESTS = 32_768
/** Unsent response bytes at which the connection is not read any more; doors/traffic.ts says at which it is given up. */
export const PAUSE_BYTES = 4 * 1024 * 1024
/** A client that takes nothing of what is sent to it is cut off after this. */
export const STALL_MS = 30_000
/** A client that was told goodbye and does not hang up is cut off after this. */
const HANG_UP_MS = 5000
/** Told to who is refused an answer because too much of others is not taken. */
const RETRY_AFTER_MS = 50
/** Response bytes gathered before they are sent although the turn goes on. */
const FLUSH_BYTES = 1024 * 1024
const WRITER_BYTES = 4096
/** Writers kept for the next turn, and the most bytes that one may have grown to. */
const MAX_SPARE_WRITERS = 64
const MAX_SPARE_BYTES = 128 * 1024
const NOTHING = new Uint8Array(0)

/**
 * What thousands of connections share: frames are read to their end at once, and responses gathered within a turn. A reader of
 * its own would keep the last chunk of each connection alive for long, and a writer of its own be cold when its turn comes.
 */
const frameReader = new ByteReader()
const spareWriters: ByteWriter[] = []

export interface ConnectionHost {
  clusterId(): string
  process(): ProcessId
  epoch(): number
  sliceDurationMs(): number
  readonly clock: Clock
  /** Of a memory node whose cache is not warm yet; it wants less of the reads until then. */
  warmUpLeftMs?(): number
  submit(request: NodeRequest): void
  /** Takes the requests of a frame as a whole; the reader stands at the first. Instead of `submit`, where it is given. */
  takeFrame?(connection: Connection, reader: ByteReader, count: number): void
  /** The connection has responses to send at the end of this turn. */
  markDirty(connection: Connection): void
  onClosed(connection: Connection): void
  readonly traffic: Traffic
  /** Something about a connection of that source is worth a line in the log. */
  complain(source: string, what: string, fields: Record<string, unknown>): void
}

export class Connection implements Caller, FrameSource, Holder {
  private readonly stream: ByteStream
  private readonly host: ConnectionHost
  readonly door = 'client'
  readonly source: string
  readonly decoder: FrameDecoder
  /** A frame that has begun is not whole yet. */
  private isUnfinished = false
  isPaused = false
  /** Of what it has not taken, answers that are gathered among it. */
  private readonly untaken: Holder
  private untakenBytes = 0
  /** What it had not taken when it was closed. */
  private leavingBytes = 0
  /** While responses are gathered. */
  private out: ByteWriter | undefined
  private countAt = 0
  private count = 0
  private frameAt = 0
  private greeted = false
  private waiting = 0
  private isClosed = false
  /** While something is unsent: looks whether any of it goes. */
  private stopWatching: (() => void) | undefined
  private sentBytes = 0
  isDirty = false

  /** @throws Error as `IncomingStream.take` does. */
  constructor(incoming: IncomingStream, source: string, host: ConnectionHost) {
    this.host = host
    this.source = source
    this.untaken = { source, cut: () => this.abandon('answers that all connections have not taken take too much') }
    this.decoder = new FrameDecoder(frameReader, (type, reader) => this.onFrame(type, reader), MAX_HELLO_BYTES)
    this.stream = incoming.take({
      onData: (bytes) => this.onData(bytes),
      onDrain: () => this.onDrain(),
      onClose: () => {
        this.stopReading()
        this.stopWatching?.()
        host.traffic.untaken.set(this.untaken, 0)
        host.traffic.leavingBytes -= this.leavingBytes
        host.onClosed(this)
      },
    })
  }

  private onDrain(): void {
    this.hold(this.out?.length ?? 0)
    this.isPaused = false
    this.stream.resume()
  }

  onData(chunk: Uint8Array): void {
    if (this.isClosed) return
    try {
      this.decoder.push(chunk)
    } catch (error) {
      if (error instanceof DecodeError) this.goodbye('bad_frame', error.message)
      else if (error instanceof ThermoclineError) this.goodbye(error.code, error.message)
      else throw error
    }
    const isUnfinished = this.decoder.heldBytes > 0
    if (isUnfinished || this.isUnfinished) {
      this.isUnfinished = isUnfinished
      this.host.traffic.unfinished.note(this)
    }
  }

  /** An unfinished frame of it takes too much, or too long. */
  cutFrame(code: 'overloaded' | 'unavailable', message: string): void {
    if (!this.isClosed) this.goodbye(code, message)
  }

  /** There are too many connections. */
  cut(): void {
    if (this.isClosed) return
    this.goodbye('overloaded', `this node has too many connections, most of them from ${this.source}`)
    // It is not counted any more, and gets no time to hang up.
    this.stream.closeSoon()
  }

  private onFrame(type: number, reader: ByteReader): void {
    if (this.isClosed) return
    if (!this.greeted) {
      this.onHello(type, reader)
      return
    }
    if (type === FrameType.goodbye) {
      this.stream.closeSoon()
      return
    }
    if (type !== FrameType.requests) throw new DecodeError(`frame type ${type} is not expected from a client`)
    const { count } = readBatchHead(reader)
    if (this.host.takeFrame === undefined) this.takeRequests(reader, count)
    else this.host.takeFrame(this, reader, count)
  }

  /** Hands the requests on one by one; their answers come back through `reply`. */
  takeRequests(reader: ByteReader, count: number): void {
    for (let i = 0; i < count; i++) {
      const correlation = reader.u32()
      const timeoutMs = reader.u32()
      const operation = reader.u8()
      const body = reader.take(reader.u32())
      this.waiting++
      if (this.waiting > MAX_CONNECTION_REQUESTS) {
        this.reply(
          correlation,
          ERRORS.overloaded.number,
          writeFailure(0, 20, `${MAX_CONNECTION_REQUESTS} requests of this connection wait`),
        )
      } else this.host.submit(new NodeRequest(this, correlation, operation, body, timeoutMs))
    }
    reader.finish('requests')
  }

  private onHello(type: number, reader: ByteReader): void {
    if (type !== FrameType.hello) throw new DecodeError(`frame type ${type} came before the hello`)
    const hello = readHello(reader)
    const { host } = this
    if (hello.version !== WIRE_VERSION) {
      throw new ThermoclineError(
        'unsupported_version',
        `the client speaks version ${hello.version} of the wire format; this node speaks ${WIRE_VERSION}`,
      )
    }
    if (hello.kind !== HelloKind.client) throw new ThermoclineError('wrong_role', `hello kind ${hello.kind} is not a client's`)
    if (hello.clusterId !== ANY_CLUSTER && hello.clusterId !== host.clusterId()) {
      throw new ThermoclineError('wrong_cluster', `this node belongs to cluster ${host.clusterId()}, the client wants ${hello.clusterId}`)
    }
    this.greeted = true
    this.decoder.maxBytes = MAX_FRAME_BYTES
    const w = new ByteWriter(128)
    writeHelloOk(w, {
      version: WIRE_VERSION,
      clusterId: host.clusterId(),
      process: host.process(),
      epoch: host.epoch(),
      sliceDurationMs: host.sliceDurationMs(),
      warmUpLeftMs: host.warmUpLeftMs?.() ?? 0,
    })
    this.stream.write(w.written())
  }

  reply(correlation: number, error: number, body: Uint8Array): void {
    this.waiting--
    if (this.isClosed) return
    const isLarge = body.length > SMALL_ANSWER_BYTES
    const refusal = isLarge ? this.refusalOf(body.length) : undefined
    if (refusal === undefined) this.gather(correlation, error, body)
    else this.gather(correlation, ERRORS.overloaded.number, writeFailure(0, RETRY_AFTER_MS, refusal))
    // It takes memory from now on, and not only once a socket has it.
    if (isLarge) this.hold(this.stream.unsentBytes + (this.out?.length ?? 0))
  }

  private hold(untakenBytes: number): void {
    if (this.isClosed || untakenBytes === this.untakenBytes) return
    this.untakenBytes = untakenBytes
    this.host.traffic.untaken.set(this.untaken, untakenBytes)
  }

  /** Why there is no room for an answer of so many bytes, if so. */
  private refusalOf(bytes: number): string | undefined {
    const { traffic } = this.host
    const mine = this.stream.unsentBytes + (this.out?.length ?? 0)
    if (mine + bytes > traffic.untakenPerConnection) return `this connection has not taken ${mine} bytes of answers`
    if (traffic.leavingBytes + bytes <= traffic.mostLeavingBytes) return undefined
    return `${traffic.leavingBytes} bytes of answers belong to connections that are being closed`
  }

  private gather(correlation: number, error: number, body: Uint8Array): void {
    this.out ??= this.beginResponses()
    const { out } = this
    out.u32(correlation)
    out.u8(error)
    out.u32(body.length)
    out.put(body)
    this.count++
    if (this.count === 4096 || out.length > FLUSH_BYTES) this.flush()
    else if (!this.isDirty) {
      this.isDirty = true
      this.host.markDirty(this)
    }
  }

  private beginResponses(): ByteWriter {
    const out = spareWriters.pop() ?? new ByteWriter(WRITER_BYTES)
    out.reset()
    this.frameAt = beginFrame(out, FrameType.responses)
    out.u32(this.host.epoch())
    this.countAt = out.claim(2)
    return out
  }

  /** Sends the responses that are ready. */
  flush(): void {
    this.isDirty = false
    const { out } = this
    if (out === undefined || this.isClosed) return
    out.patchU16(this.countAt, this.count)
    endFrame(out, this.frameAt)
    this.count = 0
    this.out = undefined
    this.send(out.written())
    if (spareWriters.length < MAX_SPARE_WRITERS && out.bytes.length <= MAX_SPARE_BYTES) spareWriters.push(out)
  }

  /** Sends whole frames, which may change afterwards. */
  send(frames: Uint8Array): void {
    const { stream } = this
    if (this.isClosed) return
    stream.write(frames)
    this.sentBytes += frames.length
    const { unsentBytes } = stream
    const { traffic } = this.host
    this.hold(unsentBytes)
    if (unsentBytes === 0 || this.isClosed) return
    if (unsentBytes > traffic.untakenPerConnection) this.abandon(`more than ${traffic.untakenPerConnection} bytes wait for it`)
    if (this.isClosed) return
    if (unsentBytes > PAUSE_BYTES) {
      this.isPaused = true
      stream.pause()
    }
    if (this.stopWatching === undefined) this.watchUnsent()
  }

  private watchUnsent(): void {
    let taken = this.sentBytes - this.stream.unsentBytes
    const look = (): void => {
      // What waits is known exactly after a write alone.
      this.stream.write(NOTHING)
      const { unsentBytes } = this.stream
      const before = taken
      taken = this.sentBytes - unsentBytes
      if (unsentBytes > 0 && taken === before) this.abandon(`it takes nothing for ${STALL_MS} ms`)
      if (unsentBytes > 0 && taken !== before) return
      this.stopWatching?.()
      this.stopWatching = undefined
    }
    this.stopWatching = this.host.clock.every(STALL_MS, look)
  }

  private abandon(reason: string): void {
    const { unsentBytes } = this.stream
    this.host.complain(this.source, 'a client does not read its responses; its connection is closed', { unsentBytes, reason })
    this.stopReading()
    const { traffic } = this.host
    traffic.untaken.set(this.untaken, 0)
    this.leavingBytes = unsentBytes
    traffic.leavingBytes += unsentBytes
    this.stream.close()
  }

  private goodbye(code: ThermoclineError['code'], message: string): void {
    this.end(code, message)
    this.host.complain(this.source, 'a client connection was closed', { code, message })
  }

  /** Says goodbye; the client may come again. */
  close(reason: string): void {
    if (!this.isClosed) this.end('unavailable', reason)
  }

  /** Closes at once. */
  hangUp(): void {
    this.stream.close()
  }

  /** What still comes is dropped. */
  private stopReading(): void {
    this.isClosed = true
    this.decoder.abandon()
    this.host.traffic.unfinished.forget(this)
  }

  /** Sends what is ready and a goodbye; what the client still sends is read and dropped until it hangs up, or for a while. */
  private end(code: ThermoclineError['code'], message: string): void {
    this.flush()
    const w = new ByteWriter(256)
    writeGoodbye(w, code, message)
    this.stopReading()
    this.stream.write(w.written())
    this.stream.end()
    this.host.clock.after(HANG_UP_MS, () => this.stream.close())
  }
}
