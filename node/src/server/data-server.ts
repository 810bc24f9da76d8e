/**
 * The data port: accepts clients and peers on one socket; the first frame's type tells which. Connections with
 * responses to send are flushed together when the callback that answered them ends.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { splitAddress, ThermoclineError } from '@thermocline/protocol'
import { LOOK_MS } from '../doors/unfinished-frames.ts'
import { Arrivals, BACKLOG, MAX_ARRIVALS } from './arrivals.ts'
import { Connection, type ConnectionHost } from './connection.ts'

/** A machine that has vanished while its client was idle is asked for after this. */
const KEEP_ALIVE_MS = 60_000
/** At a stop the other sides get this long to close their connections. */
const CLOSE_GRACE_MS = 500

export interface DataServerOptions extends Omit<ConnectionHost, 'markDirty' | 'onClosed'> {
  readonly onClosed?: (connection: Connection) => void
  /** @param arrivedMs when the connection came, by `performance.now`; its hello need not be whole. */
  readonly onPeer: (socket: Socket, first: Uint8Array, arrivedMs: number) => void
}

export class DataServer {
  private readonly options: DataServerOptions
  private readonly host: ConnectionHost
  private readonly server: Server
  /** Those too that were told goodbye, until they hang up. */
  private readonly connections = new Set<Connection>()
  private readonly arrivals: Arrivals
  private lookTimer: NodeJS.Timeout | undefined
  private onAllClosed: (() => void) | undefined
  private dirty: Connection[] = []

  constructor(options: DataServerOptions) {
    this.options = options
    this.host = {
      ...options,
      markDirty: (dirty) => this.markDirty(dirty),
      onClosed: (closed) => {
        this.connections.delete(closed)
        options.traffic.connections.set(closed, 0)
        options.onClosed?.(closed)
        if (this.connections.size === 0) this.onAllClosed?.()
      },
    }
    this.arrivals = new Arrivals(
      {
        onClient: (socket, first, source) => this.takeClient(socket, first, source),
        onPeer: options.onPeer,
        complain: options.complain,
      },
      Math.min(MAX_ARRIVALS, options.traffic.connections.limit),
    )
    this.server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) =>
      this.arrivals.add(socket),
    )
  }

  get clients(): number {
    return this.connections.size
  }

  /** @returns the address in use. @throws ThermoclineError `port_in_use`. */
  listen(address: string): Promise<string> {
    const { host, port } = splitAddress(address)
    this.lookTimer ??= setInterval(() => this.options.traffic.unfinished.look(), LOOK_MS).unref()
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
      this.server.listen({ host, port, backlog: BACKLOG }, () => {
        const bound = this.server.address()
        resolve(bound === null || typeof bound === 'string' ? address : `${host.includes(':') ? `[${host}]` : host}:${bound.port}`)
      })
    })
  }

  private takeClient(socket: Socket, first: Uint8Array, source: string): void {
    const { traffic } = this.options
    let connection: Connection
    try {
      connection = new Connection(socket, source, this.host)
    } catch (error) {
      this.options.complain(source, 'a client could not be taken', { error: String(error) })
      return
    }
    this.connections.add(connection)
    if (traffic.connections.refuses(source)) {
      connection.cut()
      return
    }
    traffic.connections.set(connection, 1)
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
      this.arrivals.destroyAll()
      for (const connection of this.connections) connection.hangUp()
    }, CLOSE_GRACE_MS)
    clearInterval(this.lookTimer)
    await closed
    if (this.connections.size > 0) await left
    clearTimeout(timer)
  }
}
