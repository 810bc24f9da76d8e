/**
 * One connection to one replica: hello, then requests in and answers out. Calls are queued; `flush`, once per tick of
 * the event loop, encodes all that fit the in-flight bounds straight into one buffer of frames and writes it with one
 * call to the stream. Answers are matched by correlation number, in any order. A connection never retries: whatever ends
 * it hands its open calls back.
 */
import {
  ByteReader,
  ByteWriter,
  beginFrame,
  type Clock,
  DecodeError,
  ERRORS,
  type ErrorCode,
  endFrame,
  FrameDecoder,
  FrameType,
  HelloKind,
  type HelloOk,
  MAX_BATCH_REQUESTS,
  readBatchHead,
  readGoodbye,
  readHelloOk,
  ThermoclineError,
  WIRE_VERSION,
  writeGoodbye,
  writeHello,
} from '@thermocline/protocol'
import { type Call, Phase } from './call.ts'
import { CONNECT_TIMEOUT_MS, FRAME_TARGET_BYTES, MAX_IN_FLIGHT_BYTES, MAX_IN_FLIGHT_REQUESTS, WRITER_BYTES } from './constants.ts'
import { OpenRequests } from './open-requests.ts'
import type { ClientStream, ClientWorld } from './world.ts'

export interface ConnectionEvents {
  /** helloOk has come. Return a reason to refuse the other side. */
  onReady(connection: Connection, ok: HelloOk): string | undefined
  /** The answer to a request of `call`; `current` is false if the call has gone on to another attempt since. */
  onAnswer(connection: Connection, call: Call, current: boolean, error: number, reader: ByteReader): void
  onEpoch(connection: Connection, epoch: number): void
  /** Calls were queued: flush at the end of this tick. */
  onDirty(connection: Connection): void
  /** A call was put on the wire. */
  onSent(call: Call, nowMs: number): void
  /** The end; `calls` are those whose current attempt was here. */
  onClosed(connection: Connection, error: ThermoclineError, calls: Call[]): void
}

export interface ConnectionOptions {
  /** As the topology or the caller wrote it. */
  readonly address: string
  readonly host: string
  readonly port: number
  readonly clusterId: string
  readonly name: string
  readonly epoch: () => number
  readonly world: ClientWorld
}

/**
 * What all connections of the process share: a chunk is taken in to its end when it is read, and frames go to the stream when
 * they are written. With buffers of its own each of thousands of connections would find cold memory whenever its turn comes.
 */
const frameReader = new ByteReader()
let writer = new ByteWriter(WRITER_BYTES)

export class Connection {
  readonly address: string
  state: 'connecting' | 'ready' | 'closed' = 'connecting'
  lastReceivedMs: number
  dirty: boolean = false
  private readonly events: ConnectionEvents
  private readonly options: ConnectionOptions
  private readonly stream: ClientStream
  private readonly decoder: FrameDecoder
  private readonly clock: Clock
  /** Cancels the end that comes when the hello takes too long. */
  private readonly cancelTimeout: () => void
  private readonly pending = new OpenRequests()
  private pendingBytes = 0
  private queue: Call[] = []
  private queueHead = 0

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.options = options
    this.events = events
    this.address = options.address
    this.clock = options.world.clock
    this.lastReceivedMs = this.clock.nowMs()
    this.decoder = new FrameDecoder(frameReader, (type, reader) => this.onFrame(type, reader))
    this.stream = options.world.openStream(options.host, options.port, {
      onOpen: () => this.sayHello(),
      onData: (bytes) => this.onBytes(bytes),
      onClose: (reason, cause) => this.end('unavailable', reason, cause),
    })
    this.cancelTimeout = this.clock.after(CONNECT_TIMEOUT_MS, () => this.end('unavailable', `no hello within ${CONNECT_TIMEOUT_MS} ms`))
  }

  get open(): number {
    return this.pending.size + this.queue.length - this.queueHead
  }

  /** Queues a call for the frame of this tick. */
  submit(call: Call): void {
    call.phase = Phase.queued
    call.connection = this
    this.queue.push(call)
    if (!this.dirty && this.state === 'ready') {
      this.dirty = true
      this.events.onDirty(this)
    }
  }

  /** Encodes and writes what is queued, as far as the bounds allow. */
  flush(): void {
    this.dirty = false
    if (this.state !== 'ready') return
    writer.reset()
    const nowMs = this.clock.nowMs()
    while (this.queueHead < this.queue.length && this.hasRoom()) this.writeFrame(nowMs)
    if (this.queueHead === this.queue.length) {
      this.queue.length = 0
      this.queueHead = 0
    } else if (this.queueHead > 4096) {
      this.queue = this.queue.slice(this.queueHead)
      this.queueHead = 0
    }
    if (writer.length > 0) this.write()
  }

  /** False if nothing can be sent until an answer comes. What was given up takes room, too, as long as its answer may come. */
  hasRoom(): boolean {
    return this.pending.size < MAX_IN_FLIGHT_REQUESTS && this.pendingBytes < MAX_IN_FLIGHT_BYTES
  }

  private writeFrame(nowMs: number): void {
    const frame = beginFrame(writer, FrameType.requests)
    writer.u32(this.options.epoch())
    const countAt = writer.claim(2)
    let count = 0
    while (this.queueHead < this.queue.length && this.hasRoom()) {
      if (count === MAX_BATCH_REQUESTS || writer.length - frame > FRAME_TARGET_BYTES) break
      const call = this.queue[this.queueHead++] as Call
      if (call.phase !== Phase.queued || call.connection !== this) continue
      this.writeRequest(call, nowMs)
      count++
    }
    if (count === 0) {
      writer.length = frame
      return
    }
    writer.patchU16(countAt, count)
    endFrame(writer, frame)
  }

  private writeRequest(call: Call, nowMs: number): void {
    const correlation = this.pending.add(call)
    call.correlation = correlation
    this.pendingBytes += call.bytes
    this.events.onSent(call, nowMs)
    writer.u32(correlation)
    writer.u32(Math.max(1, Math.min(call.deadlineMs - nowMs, call.attemptTimeoutMs)))
    writer.u8(call.operation)
    const lengthAt = writer.claim(4)
    call.encode(writer)
    writer.patchU32(lengthAt, writer.length - lengthAt - 4)
  }

  private write(): void {
    this.stream.write(writer.written())
    // Bytes that the kernel did not take at once are kept by the stream: they must not be written over.
    if (this.stream.unsentBytes > 0) writer = new ByteWriter(WRITER_BYTES)
  }

  private sayHello(): void {
    writer.reset()
    const { clusterId, name } = this.options
    writeHello(writer, { version: WIRE_VERSION, kind: HelloKind.client, clusterId, name })
    this.write()
  }

  private onBytes(chunk: Uint8Array): void {
    if (this.state === 'closed') return
    this.lastReceivedMs = this.clock.nowMs()
    try {
      this.decoder.push(chunk)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      if (this.state === 'connecting' && isHttp(chunk)) {
        this.end('wrong_role', 'this port speaks HTTP; clients use the data port, which `thermocline status` and `up` show', error)
      } else this.end('bad_frame', `the replica sent a malformed frame: ${error.message}`, error)
    }
  }

  private onFrame(type: number, reader: ByteReader): void {
    if (this.state === 'closed') return
    if (type === FrameType.responses && this.state === 'ready') this.onResponses(reader)
    else if (type === FrameType.helloOk && this.state === 'connecting') this.onHelloOk(readHelloOk(reader))
    else if (type === FrameType.goodbye) this.onGoodbye(reader)
    else throw new DecodeError(`a frame of type ${type} is not expected while ${this.state}`)
  }

  private onHelloOk(ok: HelloOk): void {
    this.cancelTimeout()
    const refusal = ok.version === WIRE_VERSION ? this.events.onReady(this, ok) : undefined
    if (ok.version !== WIRE_VERSION) {
      this.end('unsupported_version', `the replica speaks version ${ok.version}, this client ${WIRE_VERSION}`)
    } else if (refusal !== undefined) {
      this.end('wrong_cluster', refusal)
    } else {
      this.state = 'ready'
      this.dirty = true
      this.events.onDirty(this)
    }
  }

  private onGoodbye(reader: ByteReader): void {
    const { code, message } = readGoodbye(reader)
    this.end(code, message)
  }

  private onResponses(reader: ByteReader): void {
    const { epoch, count } = readBatchHead(reader)
    const frameEnd = reader.end
    for (let left = count; left > 0; left--) {
      const correlation = reader.u32()
      const error = reader.u8()
      const bodyEnd = reader.u32() + reader.at
      if (bodyEnd > frameEnd) throw new DecodeError('a response is longer than its frame')
      const call = this.pending.take(correlation)
      if (call !== undefined) {
        this.pendingBytes -= call.bytes
        if (call.phase !== Phase.done) {
          reader.end = bodyEnd
          const current = call.connection === this && call.correlation === correlation && call.phase === Phase.sent
          this.events.onAnswer(this, call, current, error, reader)
          reader.end = frameEnd
        }
      }
      reader.at = bodyEnd
    }
    this.events.onEpoch(this, epoch)
    if (!this.dirty && this.queueHead < this.queue.length) {
      this.dirty = true
      this.events.onDirty(this)
    }
  }

  /** Closes from this side, with a reason for the other. */
  close(code: ErrorCode, message: string): void {
    if (this.state === 'ready') {
      writer.reset()
      writeGoodbye(writer, code, message)
      this.write()
      this.stream.closeSoon()
    }
    this.end(code, message)
  }

  private end(code: ErrorCode, message: string, cause?: unknown): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.cancelTimeout()
    this.stream.close()
    const calls = new Set<Call>()
    for (const call of this.pending.takeAll()) if (call.connection === this && call.phase === Phase.sent) calls.add(call)
    for (const call of this.queue.slice(this.queueHead)) if (call.connection === this && call.phase === Phase.queued) calls.add(call)
    this.queue = []
    this.queueHead = 0
    const known = ERRORS[code] === undefined ? 'internal' : code
    this.events.onClosed(this, new ThermoclineError(known, `${this.address}: ${message}`, { cause }), [...calls])
  }
}

/** Does it begin like an answer of an HTTP server? */
function isHttp(chunk: Uint8Array): boolean {
  return chunk.length >= 5 && Buffer.from(chunk.buffer, chunk.byteOffset, 5).toString('latin1') === 'HTTP/'
}
