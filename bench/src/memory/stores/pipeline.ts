/**
 * A connection that answers in order. Clients that share it write into one outbox, which goes out once per turn of the event
 * loop: after all calls whose replies came in one chunk have been followed by the next ones, so in one write to the socket.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { OnReply, Reply, ReplyParser } from './replies.ts'
import { Outbox } from './requests.ts'

const READ_BUFFER_BYTES = 256 * 1024
/** A parser keeps nothing of a chunk, so one buffer serves all connections. */
const readBuffer = new Uint8Array(READ_BUFFER_BYTES)

/** Calls that are done stay in the queue until there are so many, or no others. */
const MAX_DONE = 1024

/** What all replies to one call have brought. */
export interface Outcome {
  values: number
  bytes: number
  /** Of the last reply. */
  integer: number
}

interface Waiting extends Outcome {
  repliesLeft: number
  error: string | undefined
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: Error) => void
}

export class Pipeline {
  private readonly socket: Socket
  private readonly outbox = new Outbox()
  /** Calls in the order of their replies; those before `first` are done. */
  private readonly waiting: Waiting[] = []
  private first = 0
  private ending: Error | undefined

  private constructor(endpoint: string, makeParser: (onReply: OnReply) => ReplyParser) {
    const parser = makeParser((reply) => this.take(reply))
    const callback = (length: number): boolean => {
      try {
        parser.push(readBuffer, length)
      } catch (error) {
        this.fail(error as Error)
      }
      return true
    }
    const { hostname, port } = new URL(`tcp://${endpoint}`)
    this.socket = connect({ host: hostname, port: Number(port), noDelay: true, onread: { buffer: readBuffer, callback } })
    this.socket.on('error', (error) => this.fail(error))
    this.socket.on('close', () => this.fail(new Error(`${endpoint} closed the connection`)))
  }

  static async open(endpoint: string, makeParser: (onReply: OnReply) => ReplyParser): Promise<Pipeline> {
    const pipeline = new Pipeline(endpoint, makeParser)
    await once(pipeline.socket, 'connect')
    return pipeline
  }

  /** Sends what `write` puts into the outbox, and gathers that many replies. @throws Error with the first that is one. */
  call(replies: number, write: (outbox: Outbox) => void): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (this.ending !== undefined) return reject(this.ending)
      // From within a promise's callback, a tick comes after all callbacks that are due.
      if (this.outbox.isEmpty) process.nextTick(() => this.socket.write(this.outbox.take()))
      write(this.outbox)
      this.waiting.push({ repliesLeft: replies, values: 0, bytes: 0, integer: 0, error: undefined, resolve, reject })
    })
  }

  private take(reply: Reply): void {
    const call = this.waiting[this.first]
    if (call === undefined) throw new Error('a reply that nobody asked for')
    call.values += reply.values
    call.bytes += reply.bytes
    call.integer = reply.integer
    call.error ??= reply.error
    if (--call.repliesLeft > 0) return
    this.first++
    if (this.first === this.waiting.length || this.first === MAX_DONE) {
      this.waiting.splice(0, this.first)
      this.first = 0
    }
    if (call.error === undefined) call.resolve(call)
    else call.reject(new Error(call.error))
  }

  private fail(error: Error): void {
    this.ending ??= error
    for (const call of this.waiting.splice(0).slice(this.first)) call.reject(this.ending)
    this.first = 0
    this.socket.destroy()
  }

  close(): void {
    this.socket.end()
  }
}

export async function openPipelines(
  endpoint: string,
  count: number,
  makeParser: (onReply: OnReply) => ReplyParser,
): Promise<readonly Pipeline[]> {
  return await Promise.all(Array.from({ length: count }, () => Pipeline.open(endpoint, makeParser)))
}

/** @throws Error if a value is missing, or not as long as all are. */
export function checkValues({ values, bytes }: Outcome, wanted: number, valueBytes: number): void {
  if (values !== wanted || bytes !== wanted * valueBytes) {
    throw new Error(`got ${values} values of ${bytes} bytes in all; wanted ${wanted} of ${valueBytes} each`)
  }
}
