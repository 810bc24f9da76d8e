/**
 * The data port: accepts clients and peers on one socket; the first frame's type tells which. Connections with
 * responses to send are flushed together when the callback that answered them ends.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { FrameType, splitAddress, ThermoclineError } from '@thermocline/protocol'
import { Connection, type ConnectionHost, HELLO_TIMEOUT_MS } from './connection.ts'

/** Connections beyond this are dropped as they come. */
const MAX_CONNECTIONS = 32_768
/** A machine that has vanished while its client was idle is asked for after this. */
const KEEP_ALIVE_MS = 60_000
/** At a stop the other sides get this long to close their connections. */
const CLOSE_GRACE_MS = 500

/** For who asks this port with curl. */
const HTTP_ANSWER =
  'HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n' +
  'wrong_role: this is the data port, for clients of the library; `thermocline status` shows the HTTP port\n'

export interface DataServerOptions extends Omit<ConnectionHost, 'markDirty' | 'onClosed'> {
  readonly onClosed?: (connection: Connection) => void
  readonly onPeer: (socket: Socket, first: Uint8Array) => void
}

export class DataServer {
  private readonly options: DataServerOptions
  private readonly host: ConnectionHost
  private readonly server: Server
  /** Those too that were told goodbye, until they hang up. */
  private readonly connections = new Set<Connection>()
  /** Those that have not said hello. */
  private readonly sockets = new Set<Socket>()
  private onAllClosed: (() => void) | undefined
  private dirty: Connection[] = []

  constructor(options: DataServerOptions) {
    this.options = options
    this.host = {
      ...options,
      markDirty: (dirty) => this.markDirty(dirty),
      onClosed: (closed) => {
        this.connections.delete(closed)
        options.onClosed?.(closed)
        if (this.connections.size === 0) this.onAllClosed?.()
      },
    }
    this.server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) => this.onSocket(socket))
  }

  get clients(): number {
    return this.connections.size
  }

  /** @returns the address in use. @throws ThermoclineError `port_in_use`. */
  listen(address: string): Promise<string> {
    const { host, port } = splitAddress(address)
    return new Promise((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => {
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
      this.server.listen({ host, port, backlog: 4096 }, () => {
        const bound = this.server.address()
        resolve(bound === null || typeof bound === 'string' ? address : `${host.includes(':') ? `[${host}]` : host}:${bound.port}`)
      })
    })
  }

  private onSocket(socket: Socket): void {
    if (this.sockets.size + this.connections.size >= MAX_CONNECTIONS) {
      socket.destroy()
      return
    }
    this.sockets.add(socket)
    socket.once('close', () => this.sockets.delete(socket))
    let first: Uint8Array = new Uint8Array(0)
    const timer = setTimeout(() => socket.destroy(), HELLO_TIMEOUT_MS)
    const onError = (): void => {
      socket.destroy()
    }
    const onData = (chunk: Buffer): void => {
      if (first.length === 0) first = chunk
      else {
        const joined = new Uint8Array(first.length + chunk.length)
        joined.set(first)
        joined.set(chunk, first.length)
        first = joined
      }
      if (first.length < 5) return
      socket.off('data', onData)
      if (isHttp(first)) {
        // The timer ends it if the caller does not.
        socket.resume().end(HTTP_ANSWER)
        return
      }
      clearTimeout(timer)
      socket.off('error', onError)
      if (first[4] === FrameType.peerHello || first[4] === FrameType.peerConfirm) this.options.onPeer(socket, first)
      else this.takeClient(socket, first)
    }
    socket.on('data', onData)
    socket.on('error', onError)
    socket.once('close', () => clearTimeout(timer))
  }

  private takeClient(socket: Socket, first: Uint8Array): void {
    let connection: Connection
    try {
      connection = new Connection(socket, this.host)
    } catch (error) {
      this.options.warn('a client could not be taken', { error: String(error) })
      return
    }
    this.connections.add(connection)
    connection.onData(first)
  }

  private markDirty(connection: Connection): void {
    this.dirty.push(connection)
    if (this.dirty.length === 1) queueMicrotask(() => this.flush())
  }

  private flush(): void {
    const { dirty } = this
    this.dirty = []
    for (const connection of dirty) connection.flush()
  }

  /** Says goodbye to all clients; new ones may come. */
  dropClients(reason: string): void {
    for (const connection of this.connections) connection.close(reason)
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => resolve())
    })
    const left = new Promise<void>((resolve) => {
      this.onAllClosed = resolve
    })
    this.dropClients('the node is stopping')
    const timer = setTimeout(() => {
      for (const socket of this.sockets) socket.destroy()
      for (const connection of this.connections) connection.hangUp()
    }, CLOSE_GRACE_MS)
    await closed
    if (this.connections.size > 0) await left
    clearTimeout(timer)
  }
}

/** Does it begin with a method of HTTP? As the length of a frame these letters would be far beyond the limit. */
function isHttp(first: Uint8Array): boolean {
  return /^(GET |PUT |POST |HEAD |DELET|PATCH|OPTIO|CONNE)/.test(Buffer.from(first.buffer, first.byteOffset, 5).toString('latin1'))
}
