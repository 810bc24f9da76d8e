/**
 * Clients that hold what they can of a node and give nothing back: frames and bodies that never end, answers that are not taken, hellos
 * that drip. Each has many connections, and opens another one for each that the node closes.
 */
import { connect, type Socket } from 'node:net'
import {
  ANY_CLUSTER,
  ByteWriter,
  beginFrame,
  endFrame,
  FrameType,
  HelloKind,
  MAX_FRAME_BYTES,
  Operation,
  WIRE_VERSION,
  writeGetBody,
  writeHello,
} from '@thermocline/protocol'

const CONNECTIONS = 16
/** Most of the largest frame: only its end is missing. */
const UNFINISHED_BYTES = MAX_FRAME_BYTES - 64 * 1024
/** So many gets of a connection wait for somebody who takes their answers: together, more than a node has. */
const GETS = 32
const DRIP_MS = 100
/** They hold, and do not flood: what a network carries in a second no bound of a node makes less. */
const AGAIN_MS = 5000

/** The record with a large value that is asked for by clients which take no answers. */
export interface LargeRecord {
  readonly series: Uint8Array
  readonly ms: number
}

type Behaviour = (socket: Socket) => void

export class HostileClients {
  private readonly sockets = new Set<Socket>()
  private isStopped = false
  /** Connections that the nodes have closed, or not taken. */
  closed = 0

  /** Two of each kind at each node. @param http `host:port` of HTTP ports, in the order of `endpoints`. */
  constructor(endpoints: readonly string[], http: readonly string[], large: LargeRecord) {
    for (const [at, endpoint] of endpoints.entries()) {
      for (const behave of [unfinishedFrame, deaf(large), drip(hello()), drip(new Uint8Array([200, 0, 0, 0, FrameType.peerHello]))])
        for (let client = 0; client < 2; client++) this.begin(endpoint, behave)
      for (let client = 0; client < 2; client++) this.begin(http[at] as string, unfinishedBody)
    }
  }

  private begin(address: string, behave: Behaviour): void {
    for (let connection = 0; connection < CONNECTIONS; connection++) this.open(address, behave)
  }

  private open(address: string, behave: Behaviour): void {
    if (this.isStopped) return
    const [host, port] = address.split(':') as [string, string]
    const socket = connect({ host, port: Number(port) })
    this.sockets.add(socket)
    socket.on('error', () => {
      // 'close' follows.
    })
    socket.once('connect', () => behave(socket))
    socket.once('close', () => {
      this.sockets.delete(socket)
      this.closed++
      if (!this.isStopped) setTimeout(() => this.open(address, behave), AGAIN_MS * (0.5 + Math.random()))
    })
  }

  get connections(): number {
    return this.sockets.size
  }

  stop(): void {
    this.isStopped = true
    for (const socket of this.sockets) socket.destroy()
  }
}

function hello(): Uint8Array {
  const w = new ByteWriter(128)
  writeHello(w, { version: WIRE_VERSION, kind: HelloKind.client, clusterId: ANY_CLUSTER, name: 'hostile' })
  return w.copy()
}

/** Shared by all: what this process holds of it is no node's. */
const MOST_OF_A_FRAME = new Uint8Array(UNFINISHED_BYTES)
new DataView(MOST_OF_A_FRAME.buffer).setUint32(0, MAX_FRAME_BYTES, true)
MOST_OF_A_FRAME[4] = FrameType.requests

function unfinishedFrame(socket: Socket): void {
  socket.resume()
  socket.write(hello())
  socket.write(MOST_OF_A_FRAME)
}

function unfinishedBody(socket: Socket): void {
  socket.resume()
  socket.write('PUT /v1/series/hostile/records/1-0 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n')
  socket.write(MOST_OF_A_FRAME.subarray(0, 1_000_000))
}

function deaf({ series, ms }: LargeRecord): Behaviour {
  const body = new ByteWriter(256)
  writeGetBody(body, series, [{ ms, seq: 0 }])
  const get = body.copy()
  const w = new ByteWriter(64 * 1024)
  const at = beginFrame(w, FrameType.requests)
  w.u32(1)
  w.u16(GETS)
  for (let number = 0; number < GETS; number++) {
    w.u32(number + 1)
    w.u32(30_000)
    w.u8(Operation.get)
    w.u32(get.length)
    w.put(get)
  }
  endFrame(w, at)
  const gets = w.copy()
  return (socket) => {
    socket.pause()
    socket.write(hello())
    socket.write(gets)
  }
}

function drip(bytes: Uint8Array): Behaviour {
  return (socket) => {
    socket.resume()
    let sent = 0
    const timer = setInterval(() => {
      if (sent < bytes.length - 1) socket.write(bytes.subarray(sent, ++sent))
    }, DRIP_MS)
    socket.once('close', () => clearInterval(timer))
  }
}
