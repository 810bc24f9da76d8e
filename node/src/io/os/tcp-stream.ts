/**
 * A connected TCP socket that the addon reads and writes, in place of Node's stream of it (native/src/sockets.h): what a turn of the
 * event loop has read from all of them comes in one call, in one array.
 */
import type { Socket } from 'node:net'
import { getSystemErrorMessage } from 'node:util'
import { native } from '@thermocline/native'
import type { ByteStream, ByteStreamEvents } from '../ports.ts'

/** What a turn may read before it is told of it; a read takes up to 64 KiB. */
const INPUT_BYTES = 512 * 1024
const MOST_EVENTS = 4096
/** A turn that has read more than this gives each read an array of its own. */
const COMMON_BYTES = 64 * 1024
const NUMBERS_PER_EVENT = 3
/** What an event without bytes says in place of an offset. */
const DRAINED = 0
const CLOSED = 1
/** libuv's number for it. */
const END_OF_FILE = 4095
const NOTHING = new Uint8Array(0)
/** What `closeSoon` gives the other side to take what is unsent. */
const CLOSE_SOON_MS = 5000

const input = new Uint8Array(INPUT_BYTES)
const happened = new Uint32Array(NUMBERS_PER_EVENT * MOST_EVENTS)

export class TcpStream implements ByteStream {
  private static readonly all = new Map<number, TcpStream>()
  private static isOpen = false
  private readonly number: number
  private readonly events: ByteStreamEvents
  unsentBytes = 0
  private closesWhenSent = false
  isClosed = false

  /** @throws Error as `IncomingStream.take` says; Node's stream of the socket has ended then, too. */
  constructor(socket: Socket, events: ByteStreamEvents) {
    if (!TcpStream.isOpen) native.socketsOpen(input, happened, (count) => TcpStream.onTurn(count))
    TcpStream.isOpen = true
    this.events = events
    try {
      this.number = native.socketAdopt(descriptorOf(socket))
    } finally {
      socket.destroy()
    }
    TcpStream.all.set(this.number, this)
  }

  private static onTurn(count: number): void {
    const used = usedBy(count)
    // Who waits for something keeps what asked for it, and with it the whole array: what is small has one in common, what is large its own.
    const common = used <= COMMON_BYTES ? input.slice(0, used) : undefined
    const end = count * NUMBERS_PER_EVENT
    for (let at = 0; at < end; at += NUMBERS_PER_EVENT) {
      const stream = TcpStream.all.get(happened[at] as number)
      const offset = happened[at + 1] as number
      const length = happened[at + 2] as number
      if (length > 0) {
        if (stream?.isClosed !== false) continue
        stream.events.onData(common?.subarray(offset, offset + length) ?? input.slice(offset, offset + length))
      } else if (offset === DRAINED) stream?.onDrained()
      else stream?.onGone(reasonOf(offset - CLOSED))
    }
  }

  write(bytes: Uint8Array): void {
    if (!this.isClosed) this.unsentBytes = native.socketWrite(this.number, bytes)
  }

  pause(): void {
    native.socketRead(this.number, false)
  }

  resume(): void {
    native.socketRead(this.number, true)
  }

  end(): void {
    native.socketEnd(this.number)
  }

  closeSoon(): void {
    if (this.unsentBytes === 0) this.close()
    else if (!this.closesWhenSent) {
      this.closesWhenSent = true
      setTimeout(() => this.close('the other side takes nothing'), CLOSE_SOON_MS).unref()
    }
  }

  close(reason = 'this side has closed the connection'): void {
    if (this.isClosed) return
    this.isClosed = true
    native.socketClose(this.number)
    setImmediate(() => this.onGone(reason))
  }

  private onDrained(): void {
    // More may have been sent since it happened.
    this.write(NOTHING)
    if (this.unsentBytes > 0 || this.isClosed) return
    if (this.closesWhenSent) this.close()
    else this.events.onDrain?.()
  }

  private onGone(reason: string): void {
    this.isClosed = true
    this.unsentBytes = 0
    if (TcpStream.all.delete(this.number)) this.events.onClose(reason)
  }
}

/** Node has no public name for it. The addon checks what it gets. */
function descriptorOf(socket: Socket): number {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd
  if (fd === undefined || fd < 0) throw new Error('the socket is not connected')
  return fd
}

function reasonOf(error: number): string {
  return error === END_OF_FILE ? 'the other side has closed the connection' : getSystemErrorMessage(-error)
}

/** Reads follow each other in the input: the last one of those events ends where what was read ends. */
function usedBy(count: number): number {
  for (let at = (count - 1) * NUMBERS_PER_EVENT; at >= 0; at -= NUMBERS_PER_EVENT) {
    const length = happened[at + 2] as number
    if (length > 0) return (happened[at + 1] as number) + length
  }
  return 0
}
