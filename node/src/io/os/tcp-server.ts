/** A TCP port. Connections are Node's until they are taken; then they are the addon's (tcp-stream.ts). */
import { createServer, type Server, type Socket } from 'node:net'
import { splitAddress, ThermoclineError } from '@thermocline/protocol'
import type { ByteStreamEvents, IncomingStream, StreamServer } from '../ports.ts'
import { TcpStream } from './tcp-stream.ts'

/** A machine that has vanished while its client was idle is asked for after this. */
const KEEP_ALIVE_MS = 60_000
/** Connections that the kernel has accepted and the process has not. */
export const BACKLOG = 4096

export class TcpServer implements StreamServer {
  private server: Server | undefined

  listen(address: string, onStream: (stream: IncomingStream) => void): Promise<string> {
    const { host, port } = splitAddress(address)
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) =>
      onStream(new IncomingTcp(socket)),
    )
    this.server = server
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const isTaken = error.code === 'EADDRINUSE'
        reject(
          isTaken
            ? new ThermoclineError(
                'port_in_use',
                `data port ${address}: another process listens there; stop it or choose another with --listen`,
              )
            : error,
        )
      })
      server.listen({ host, port, backlog: BACKLOG }, () => {
        const bound = server.address()
        resolve(bound === null || typeof bound === 'string' ? address : `${host.includes(':') ? `[${host}]` : host}:${bound.port}`)
      })
    })
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.server === undefined) resolve()
      else this.server.close(() => resolve())
    })
  }
}

export class IncomingTcp implements IncomingStream {
  private readonly socket: Socket
  readonly remoteAddress: string | undefined
  private unfollow: () => void = () => {}

  /** @param socket is connected, and nobody else's from now on. */
  constructor(socket: Socket) {
    this.socket = socket
    this.remoteAddress = socket.remoteAddress
    // 'close' follows.
    socket.on('error', () => {})
  }

  get isClosed(): boolean {
    return this.socket.destroyed
  }

  follow({ onData, onClose }: { onData(bytes: Uint8Array): void; onClose(): void }): void {
    const { socket } = this
    socket.on('data', onData)
    socket.once('close', onClose)
    this.unfollow = () => socket.off('data', onData).off('close', onClose)
  }

  end(bytes: Uint8Array): void {
    this.socket.end(bytes)
  }

  close(): void {
    this.socket.destroy()
  }

  take(events: ByteStreamEvents): TcpStream {
    this.unfollow()
    return new TcpStream(this.socket, events)
  }
}
