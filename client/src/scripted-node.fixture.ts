/**
 * A peer for tests of the client's connections, routes and retries: speaks the data port's protocol through the same
 * codec, keeps a few records in a map, and does what a test's `script` says instead when that returns something.
 */
import { createServer, type Server, type Socket } from 'node:net'
import {
  ByteReader,
  ByteWriter,
  beginFrame,
  compareRecordIds,
  ERRORS,
  type ErrorCode,
  endFrame,
  FrameDecoder,
  FrameType,
  formatRecordId,
  Operation,
  parseTopology,
  type RecordId,
  readBatchHead,
  readHello,
  readRecordId,
  type Topology,
  WIRE_VERSION,
  WriteKind,
  writeErrorBody,
  writeGoodbye,
  writeHelloOk,
  writeRecordId,
} from '@thermocline/protocol'

export const CLUSTER = 'c1'.repeat(16)

/** What several scripted nodes share, as a cluster would. */
export class ScriptedStore {
  /** Milliseconds of records that are removed: scans step over them. */
  readonly removed = new Set<number>()
  index = 5
  readonly records = new Map<string, { id: RecordId; version: number; value: Uint8Array }>()
  readonly answers = new Map<string, Uint8Array>()
}

let sequence = 0

export interface ScriptedRequest {
  /** Requests of all nodes in the order in which they came. */
  readonly sequence: number
  readonly node: ScriptedNode
  readonly operation: number
  readonly timeoutMs: number
  /** For a write: request id (hex) and stamp. */
  readonly requestId: string
  readonly stamp: number
  readonly body: Uint8Array
  readonly socket: Socket
}

/** `hang`: never answers; `drop`: closes the connection; an error; a number of ms to wait; `apply-drop`: applies, then closes. */
export type Deed = 'hang' | 'drop' | 'apply-drop' | number | { code: ErrorCode; index?: number; argument?: number; message?: string }

export class ScriptedNode {
  script: (request: ScriptedRequest) => Deed | undefined = () => undefined
  helloCluster = CLUSTER
  helloVersion = WIRE_VERSION
  warmUpLeftMs = 0
  epoch = 1
  topology: Topology | undefined
  port = 0
  /** Requests per frame that came. */
  readonly frames: number[] = []
  readonly requests: ScriptedRequest[] = []
  connections = 0
  private readonly store: ScriptedStore
  private readonly sockets = new Set<Socket>()
  private server: Server | undefined
  readonly group: number
  readonly replica: number
  private readonly topologyWaiters: (() => void)[] = []

  constructor(store: ScriptedStore, group: number, replica: number) {
    this.store = store
    this.group = group
    this.replica = replica
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  async listen(port = this.port): Promise<void> {
    const server = createServer((socket) => this.serve(socket))
    this.server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
    this.port = (server.address() as { port: number }).port
  }

  /** Stops at once, as a killed process does. */
  async kill(): Promise<void> {
    for (const socket of this.sockets) socket.resetAndDestroy()
    const { server } = this
    this.server = undefined
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
  }

  install(topology: Topology): void {
    this.topology = topology
    this.epoch = topology.epoch
    for (const wake of this.topologyWaiters.splice(0)) wake()
  }

  private serve(socket: Socket): void {
    this.connections++
    this.sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    const decoder = new FrameDecoder(new ByteReader(), (type, reader) => {
      if (type === FrameType.hello) this.greet(socket, reader)
      else if (type === FrameType.requests) this.onRequests(socket, reader)
    })
    socket.on('data', (chunk: Buffer) => decoder.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)))
  }

  private greet(socket: Socket, reader: ByteReader): void {
    const hello = readHello(reader)
    const writer = new ByteWriter()
    if (!/^0+$/.test(hello.clusterId) && hello.clusterId !== this.helloCluster) {
      writeGoodbye(writer, 'wrong_cluster', `this is cluster ${this.helloCluster}`)
      socket.end(writer.copy())
      return
    }
    writeHelloOk(writer, {
      version: this.helloVersion,
      clusterId: this.helloCluster,
      process: { group: this.group, replica: this.replica, incarnation: { number: 0, nonce: '0123456789abcdef' }, boot: 1 },
      epoch: this.epoch,
      sliceDurationMs: 86_400_000,
      warmUpLeftMs: this.warmUpLeftMs,
    })
    socket.write(writer.copy())
  }

  private onRequests(socket: Socket, reader: ByteReader): void {
    const { count } = readBatchHead(reader)
    this.frames.push(count)
    for (let left = count; left > 0; left--) {
      const correlation = reader.u32()
      const timeoutMs = reader.u32()
      const operation = reader.u8()
      const body = reader.take(reader.u32()).slice()
      const head = new ByteReader(body)
      const isWrite = operation === Operation.write
      const requestId = isWrite ? Buffer.from(head.take(16)).toString('hex') : ''
      const request = { sequence: sequence++, node: this, operation, timeoutMs, requestId, stamp: isWrite ? head.u48() : 0, body, socket }
      this.requests.push(request)
      this.act(request, correlation)
    }
    reader.finish('requests')
  }

  private act(request: ScriptedRequest, correlation: number): void {
    const deed = this.script(request)
    const answer = () => {
      if (request.operation === Operation.topology) this.answerTopology(request, correlation)
      else this.reply(request.socket, correlation, 0, this.execute(request))
    }
    if (deed === undefined) answer()
    else if (typeof deed === 'number') setTimeout(answer, deed)
    else if (deed === 'drop') request.socket.destroy()
    else if (deed === 'apply-drop') {
      this.execute(request)
      request.socket.destroy()
    } else if (deed !== 'hang') {
      const writer = new ByteWriter()
      writeErrorBody(writer, { index: deed.index ?? 0, argument: deed.argument ?? 0, message: deed.message ?? 'as scripted' })
      this.reply(request.socket, correlation, ERRORS[deed.code].number, writer.copy())
    }
  }

  private answerTopology(request: ScriptedRequest, correlation: number): void {
    const reader = new ByteReader(request.body)
    const known = reader.u32()
    const waitMs = reader.u32()
    const answer = () => {
      clearTimeout(timer)
      const newer = this.topology !== undefined && this.topology.epoch > known
      this.reply(request.socket, correlation, 0, new TextEncoder().encode(newer ? JSON.stringify(this.topology) : ''))
    }
    const timer = setTimeout(answer, waitMs)
    timer.unref()
    if (this.topology !== undefined && this.topology.epoch > known) answer()
    else this.topologyWaiters.push(answer)
  }

  private reply(socket: Socket, correlation: number, error: number, body: Uint8Array): void {
    const writer = new ByteWriter()
    const frame = beginFrame(writer, FrameType.responses)
    writer.u32(this.epoch)
    writer.u16(1)
    writer.u32(correlation)
    writer.u8(error)
    writer.u32(body.length)
    writer.put(body)
    endFrame(writer, frame)
    if (!socket.destroyed) socket.write(writer.copy())
  }

  private execute(request: ScriptedRequest): Uint8Array {
    const reader = new ByteReader(request.body)
    switch (request.operation) {
      case Operation.write:
        return this.write(reader, request.requestId)
      case Operation.get:
        return this.get(reader)
      case Operation.scan:
        return this.scan(reader)
      case Operation.stamps: {
        const writer = new ByteWriter()
        for (let left = reader.u16(); left > 0; left--) {
          reader.u16()
          writer.u48(this.store.index)
        }
        return writer.copy()
      }
      default: {
        reader.take(reader.u16())
        const count = reader.u16()
        const writer = new ByteWriter()
        writer.u48(this.store.index)
        for (let at = 0; at < count; at++) writer.u48(reader.u48() + 1)
        return writer.copy()
      }
    }
  }

  private write(reader: ByteReader, requestId: string): Uint8Array {
    const known = this.store.answers.get(requestId)
    if (known !== undefined) return known
    reader.skip(22)
    const series = new TextDecoder().decode(reader.take(reader.u16()))
    this.store.index++
    const version = this.store.index
    const writer = new ByteWriter()
    writer.u48(version)
    const detail = writer.claim(8)
    for (let left = reader.u16(); left > 0; left--) {
      const kind = reader.u8()
      reader.skip(7)
      let id = readRecordId(reader)
      const value = reader.take(reader.u32()).slice()
      if (kind === WriteKind.append) {
        id = { ms: 1_700_000_000_000, seq: version }
        writer.length = detail
        writeRecordId(writer, id)
      }
      const key = `${series}/${formatRecordId(id)}`
      if (kind === WriteKind.delete) {
        writer.view.setUint32(detail, this.store.records.get(key)?.version ?? 0, true)
        this.store.records.delete(key)
      } else this.store.records.set(key, { id, version, value })
    }
    const answer = writer.copy()
    this.store.answers.set(requestId, answer)
    return answer
  }

  private get(reader: ByteReader): Uint8Array {
    const series = new TextDecoder().decode(reader.take(reader.u16()))
    const writer = new ByteWriter()
    writer.u48(this.store.index)
    for (let left = reader.u16(); left > 0; left--) {
      const found = this.store.records.get(`${series}/${formatRecordId(readRecordId(reader))}`)
      writer.u48(found?.version ?? 0)
      writer.u32(found?.value.length ?? 0)
      if (found !== undefined) writer.put(found.value)
    }
    return writer.copy()
  }

  /** Chunks of three, so that scans continue. */
  private scan(reader: ByteReader): Uint8Array {
    const series = new TextDecoder().decode(reader.take(reader.u16()))
    const from = readRecordId(reader)
    const to = readRecordId(reader)
    const limit = Math.min(3, reader.u32())
    const reverse = reader.u8() === 1
    const found = [...this.store.records]
      .filter(([key, { id }]) => key.startsWith(`${series}/`) && compareRecordIds(id, from) >= 0 && compareRecordIds(id, to) <= 0)
      .map(([, record]) => record)
      .sort((a, b) => (reverse ? compareRecordIds(b.id, a.id) : compareRecordIds(a.id, b.id)))
    const next = found[limit]
    const writer = new ByteWriter()
    writer.u48(this.store.index)
    writer.u8(next === undefined ? 0 : 1)
    writeRecordId(writer, next?.id ?? { ms: 0, seq: 0 })
    const chunk = found.slice(0, limit).filter(({ id }) => !this.store.removed.has(id.ms))
    writer.u32(chunk.length)
    for (const { id, version, value } of chunk) {
      writeRecordId(writer, id)
      writer.u48(version)
      writer.u32(value.length)
      writer.put(value)
    }
    return writer.copy()
  }
}

/** Starts `groups` × `replicas` nodes that share a store and know their topology. */
export async function startScripted(
  replicas = 3,
  groups = 1,
): Promise<{ nodes: ScriptedNode[]; store: ScriptedStore; stop(): Promise<void> }> {
  const store = new ScriptedStore()
  const nodes = Array.from({ length: groups * replicas }, (_, at) => new ScriptedNode(store, Math.floor(at / replicas), at % replicas))
  await Promise.all(nodes.map((node) => node.listen(0)))
  const topology = topologyOf(nodes, replicas)
  for (const node of nodes) node.install(topology)
  return {
    nodes,
    store,
    stop: async () => {
      await Promise.all(nodes.map((node) => node.kill()))
    },
  }
}

export function topologyOf(nodes: readonly ScriptedNode[], replicas: number, epoch = 1): Topology {
  return parseTopology({
    formatVersion: 1,
    clusterId: CLUSTER,
    epoch,
    groups: Array.from({ length: nodes.length / replicas }, (_, group) => ({
      group,
      replicas: nodes.slice(group * replicas, (group + 1) * replicas).map((node, replica) => ({
        replica,
        data: node.address,
        http: `127.0.0.1:${node.port + 1 > 65_535 ? 1 : node.port + 1}`,
        incarnation: { number: 0, nonce: '0123456789abcdef' },
      })),
    })),
  })
}
