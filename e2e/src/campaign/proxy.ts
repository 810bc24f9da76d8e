/**
 * The network between the replicas: every connection that replica `from` dials to replica `to` goes through a proxy of its
 * own, which can hold back either direction. What is held back arrives when the direction opens again, as TCP would have
 * it after a partition. Clients learn the same addresses; their connections pass untouched.
 */
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { FrameType } from '@thermocline/protocol'

/** Position of a frame's type: after its u32 length. */
const TYPE_AT = 4

/** `from>to`: bytes that `from` sends and `to` should get. */
export type Direction = `${number}>${number}`

interface Pair {
  readonly from: number
  readonly to: number
  readonly dialler: Socket
  readonly target: Socket
}

export class PeerProxies {
  private readonly servers: Server[] = []
  private readonly pairs = new Set<Pair>()
  private readonly blocked = new Set<Direction>()
  /** Bytes that passed between replicas. */
  bytes = 0

  /** The address under which `from` reaches `to`, who listens at `target`. */
  async open(from: number, to: number, target: string): Promise<string> {
    const server = createServer((socket) => this.accept(from, to, target, socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.servers.push(server)
    return `127.0.0.1:${(server.address() as { port: number }).port}`
  }

  private accept(from: number, to: number, address: string, dialler: Socket): void {
    const [host, port] = address.split(':') as [string, string]
    const target = dial(Number(port), host)
    const pair: Pair = { from, to, dialler, target }
    const end = (): void => {
      dialler.destroy()
      target.destroy()
      this.pairs.delete(pair)
    }
    for (const socket of [dialler, target]) {
      socket.setNoDelay(true)
      socket.once('error', end)
      socket.once('close', end)
    }
    dialler.once('data', (first) => {
      dialler.pause()
      dialler.unshift(first)
      dialler.on('data', (chunk) => this.pass(dialler, target, chunk))
      target.on('data', (chunk) => this.pass(target, dialler, chunk))
      if (first[TYPE_AT] !== FrameType.peerHello) {
        dialler.resume()
        return
      }
      this.pairs.add(pair)
      this.hold(pair)
    })
  }

  private pass(source: Socket, sink: Socket, chunk: Buffer): void {
    this.bytes += chunk.length
    if (sink.write(chunk)) return
    source.pause()
    sink.once('drain', () => this.resume(source))
  }

  private resume(source: Socket): void {
    const pair = [...this.pairs].find(({ dialler, target }) => dialler === source || target === source)
    if (pair === undefined) source.resume()
    else this.hold(pair)
  }

  /** Lets each direction of a connection flow, or not. */
  private hold({ from, to, dialler, target }: Pair): void {
    if (this.blocked.has(`${from}>${to}`)) dialler.pause()
    else dialler.resume()
    if (this.blocked.has(`${to}>${from}`)) target.pause()
    else target.resume()
  }

  cut(directions: readonly Direction[]): void {
    for (const direction of directions) this.blocked.add(direction)
    for (const pair of this.pairs) this.hold(pair)
  }

  mend(): void {
    this.blocked.clear()
    for (const pair of this.pairs) this.hold(pair)
  }

  close(): void {
    for (const { dialler } of this.pairs) dialler.destroy()
    for (const server of this.servers) server.close()
  }
}
