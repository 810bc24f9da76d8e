/**
 * The data port: accepts clients and peers on one socket; the first frame's type tells which. Connections with
 * responses to send are flushed together when the callback that answered them ends.
 */
import { LOOK_MS } from '../doors/unfinished-frames.ts'
import type { IncomingStream, StreamServer } from '../io/ports.ts'
import { Arrivals, MAX_ARRIVALS } from './arrivals.ts'
import { Connection, type ConnectionHost } from './connection.ts'

/** At a stop the other sides get this long to close their connections. */
const CLOSE_GRACE_MS = 500

export interface DataServerOptions extends Omit<ConnectionHost, 'markDirty' | 'onClosed'> {
  readonly onClosed?: (connection: Connection) => void
  readonly server: StreamServer
  /** @param arrivedMs when the connection came, as `clock` has it; its hello need not be whole. */
  readonly onPeer: (stream: IncomingStream, first: Uint8Array, arrivedMs: number) => void
}

export class DataServer {
  private readonly options: DataServerOptions
  private readonly host: ConnectionHost
  /** Those too that were told goodbye, until they hang up. */
  private readonly connections = new Set<Connection>()
  private readonly arrivals: Arrivals
  private stopLooking: (() => void) | undefined
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
        clock: options.clock,
        onClient: (stream, first, source) => this.takeClient(stream, first, source),
        onPeer: options.onPeer,
        complain: options.complain,
      },
      Math.min(MAX_ARRIVALS, options.traffic.connections.limit),
    )
  }

  get clients(): number {
    return this.connections.size
  }

  /** @returns the address in use. @throws ThermoclineError `port_in_use`. */
  listen(address: string): Promise<string> {
    const { clock, server, traffic } = this.options
    this.stopLooking ??= clock.every(LOOK_MS, () => traffic.unfinished.look())
    return server.listen(address, (stream) => this.arrivals.add(stream))
  }

  private takeClient(stream: IncomingStream, first: Uint8Array, source: string): void {
    const { traffic } = this.options
    let connection: Connection
    try {
      connection = new Connection(stream, source, this.host)
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
    const closed = this.options.server.close()
    const left = new Promise<void>((resolve) => {
      this.onAllClosed = resolve
    })
    this.dropClients('the node is stopping')
    const cancel = this.options.clock.after(CLOSE_GRACE_MS, () => {
      this.arrivals.destroyAll()
      for (const connection of this.connections) connection.hangUp()
    })
    this.stopLooking?.()
    await closed
    if (this.connections.size > 0) await left
    cancel()
  }
}
