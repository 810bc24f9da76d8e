/**
 * What the HTTP port lets others make the node hold: connections, bodies that are not whole, answers that are not taken. Bodies and
 * answers count against the bounds of the whole node (doors/traffic.ts), beside what comes by the data port.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { ThermoclineError } from '@thermocline/protocol'
import { errorCodes, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Complaints } from '../doors/complaints.ts'
import { type Holder, SharedBound } from '../doors/shared-bound.ts'
import { sourceOf } from '../doors/source.ts'
import type { Traffic } from '../doors/traffic.ts'
import type { FrameSource } from '../doors/unfinished-frames.ts'

/** Open ones. Beyond, the source that has most loses its oldest: probes and operators come in whoever else is there. */
export const MAX_HTTP_CONNECTIONS = 1024
/** The head of a request has to be whole by then. */
export const HTTP_HEAD_TIMEOUT_MS = 5000
/** Where there was no room for a body. */
const RETRY_AFTER_MS = 1000
/** How often Node looks for requests that take too long. */
export const HTTP_CHECK_MS = 1000

export interface HttpDoors {
  readonly traffic: Traffic
  readonly complaints: Complaints
}

export function boundHttpTraffic(app: FastifyInstance, { traffic, complaints }: HttpDoors): void {
  const connections = new SharedBound(MAX_HTTP_CONNECTIONS)
  app.server.headersTimeout = HTTP_HEAD_TIMEOUT_MS
  app.server.on('connection', (socket: Socket) => {
    const source = sourceOf(socket.remoteAddress)
    const holder: Holder = {
      source,
      cut: () => {
        complaints.report(source, 'an HTTP connection was closed: there are too many', {})
        socket.destroy()
      },
    }
    connections.set(holder, 1)
    socket.once('close', () => connections.set(holder, 0))
  })
  // A value is bytes, whatever its content type says.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) => new Body(request, payload, traffic).whole)
  app.addHook('onSend', async (request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
    const bytes = typeof payload === 'string' || payload instanceof Uint8Array ? payload.length : 0
    if (bytes > 0) holdAnswer(request, reply, bytes, traffic.untaken)
    return payload
  })
}

/** Until the answer is taken, or nobody is there to take it. */
function holdAnswer(request: FastifyRequest, reply: FastifyReply, bytes: number, bound: SharedBound): void {
  const { socket } = request.raw
  const holder: Holder = { source: sourceOf(socket.remoteAddress), cut: () => socket.destroy() }
  const letGo = () => bound.set(holder, 0)
  reply.raw.once('finish', letGo).once('close', letGo)
  bound.set(holder, bytes)
}

/** A body on its way in. */
class Body implements FrameSource {
  readonly source: string
  readonly isPaused = false
  readonly decoder = { heldBytes: 0, frames: 0 }
  readonly whole: Promise<Buffer>
  private readonly traffic: Traffic
  private readonly limit: number
  private readonly payload: IncomingMessage
  private readonly chunks: Buffer[] = []
  private fail: (error: Error) => void = () => {}

  constructor(request: FastifyRequest, payload: IncomingMessage, traffic: Traffic) {
    this.source = sourceOf(request.raw.socket.remoteAddress)
    this.traffic = traffic
    this.payload = payload
    this.limit = request.routeOptions.bodyLimit ?? 0
    this.whole = new Promise((resolve, reject) => {
      this.fail = (error) => {
        this.letGo()
        reject(error)
      }
      payload.on('data', this.onChunk)
      payload.once('end', () => {
        const body = Buffer.concat(this.chunks)
        this.letGo()
        resolve(body)
      })
      payload.once('error', this.fail)
      payload.once('close', () => this.fail(new ThermoclineError('unavailable', 'body: the connection ended before it was whole')))
    })
    if (Number(request.headers['content-length'] ?? 0) > this.limit) this.fail(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
  }

  private readonly onChunk = (chunk: Buffer): void => {
    this.chunks.push(chunk)
    this.decoder.heldBytes += chunk.length
    if (this.decoder.heldBytes > this.limit) this.fail(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
    else this.traffic.unfinished.note(this)
  }

  cutFrame(code: 'overloaded' | 'unavailable', message: string): void {
    this.fail(new ThermoclineError(code, message, code === 'overloaded' ? { retryAfterMs: RETRY_AFTER_MS } : {}))
  }

  /** What still comes is dropped. */
  private letGo(): void {
    this.payload.off('data', this.onChunk).resume()
    this.chunks.length = 0
    this.traffic.unfinished.forget(this)
  }
}
