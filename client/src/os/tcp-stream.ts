/** A client's TCP connection. */
import { connect, type Socket } from 'node:net'
import type { ClientStream, ClientStreamEvents } from '../world.ts'

/** Read buffer of all connections; frames that do not fit are assembled apart. */
const READ_BUFFER_BYTES = 128 * 1024
/**
 * What all connections of the process share: a chunk is taken in to its end when it is read. With buffers of its own each of thousands
 * of connections would find cold memory whenever its turn comes.
 */
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
const readBytes = new Uint8Array(readBuffer.buffer, readBuffer.byteOffset, readBuffer.length)

export class ClientTcpStream implements ClientStream {
  private readonly socket: Socket

  constructor(host: string, port: number, events: ClientStreamEvents) {
    let failure: Error | undefined
    this.socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      onread: {
        buffer: readBuffer,
        callback: (bytesRead) => {
          events.onData(readBytes.subarray(0, bytesRead))
          return !this.socket.destroyed
        },
      },
    })
    this.socket.once('connect', () => events.onOpen())
    // 'close' follows.
    this.socket.on('error', (error) => {
      failure ??= error
    })
    this.socket.once('close', () => events.onClose(failure?.message ?? 'the other side closed the connection', failure))
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  get unsentBytes(): number {
    return this.socket.writableLength
  }

  closeSoon(): void {
    this.socket.destroySoon()
    this.socket.unref()
  }

  close(): void {
    if (!this.socket.writableEnded) this.socket.destroy()
  }
}
