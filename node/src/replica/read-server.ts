/**
 * Answers validated reads from the engine: from memory at once, from disk by its async twin. Answers of hot reads go
 * through one reused buffer, which the target must copy before it returns.
 *
 * A turn of the event loop serves a bounded amount: what it answers is in memory twice until the sockets have taken it, and nothing
 * else goes on meanwhile. The rest is served in the next turn.
 */
import { ERRORS, Operation } from '@thermocline/protocol'
import type { NodeRequest } from '../doors/node-request.ts'
import { type Engine, NEEDS_IO } from '../engine/port.ts'
import { writeFailure } from '../kv/answers.ts'
import type { PendingRead } from '../paxos/pending-read.ts'
import type { PendingValidation } from '../paxos/pending-validation.ts'

/** Everything chosen has been applied, as far as the read needs it. */
const AT_ONCE = new Float64Array(1)
/** An answer of one item, "later". */
const LATER_BYTES = 3
const INITIAL_BYTES = 256 * 1024
/** Told to who is refused because too many reads are at the disk: some of them are done by then. */
const RETRY_AFTER_MS = 50
/** Bytes of answers that a turn makes: it ends with the one that passes it. */
const TURN_BYTES = 2 * 1024 * 1024
/** A byte of a request counts for so many: each of its ids or slices may cost a search. */
const REQUEST_BYTE_WEIGHT = 16
/** Counts for a read that goes to another thread: what is copied for it. */
const HANDED_ON_BYTES = 16 * 1024

export class ReadServer {
  private readonly engine: Engine
  private out = new Uint8Array(INITIAL_BYTES)
  private turnBytes = 0
  /** Reads answered from memory, those that went to disk, and those of them that it failed. */
  hot = 0
  validations = 0
  fromDisk = 0
  failed = 0

  constructor(engine: Engine) {
    this.engine = engine
  }

  beginTurn(): void {
    this.engine.beginTurn()
    this.turnBytes = 0
  }

  /** True while this turn may serve more. */
  hasRoom(): boolean {
    return this.turnBytes < TURN_BYTES
  }

  serve(read: PendingRead): void {
    this.turnBytes += read.request.body.length * REQUEST_BYTE_WEIGHT
    try {
      this.serveOne(read)
    } catch (error) {
      this.refuse(read, error)
    }
  }

  private serveOne(read: PendingRead): void {
    if (read.request.operation === Operation.validate) {
      this.servePatient(read)
      return
    }
    const written = this.read(read)
    if (written === NEEDS_IO) {
      this.readAsync(read)
      return
    }
    this.replyNow(read.request, written)
  }

  private replyNow(request: NodeRequest, written: number): void {
    this.hot++
    this.turnBytes += written
    request.reply(0, this.out.subarray(0, written))
  }

  /** Answers of what can be told at once. */
  answer({ request, blocks, needs }: PendingValidation): void {
    const written = this.validate(request.body, needs, blocks.length)
    if (typeof written === 'string') {
      request.reply(ERRORS.invalid_argument.number, writeFailure(0, 0, written))
      return
    }
    this.validations++
    this.turnBytes += written + request.body.length * REQUEST_BYTE_WEIGHT
    request.reply(0, this.out.subarray(0, written))
  }

  private servePatient(read: PendingRead): void {
    const written = this.validate(read.request.body, AT_ONCE, 1)
    if (typeof written === 'string') {
      read.request.reply(ERRORS.invalid_argument.number, writeFailure(0, 0, written))
      return
    }
    if (written > LATER_BYTES) {
      this.replyNow(read.request, written)
      return
    }
    const { body } = read.request
    this.settle(read, this.engine.validateAsync(body, 0, body.length))
  }

  /** Bytes written to `out`; in words, what is wrong with the body. */
  private validate(body: Uint8Array, needs: Float64Array, count: number): number | string {
    const { engine } = this
    try {
      let written = engine.validate(body, 0, body.length, needs, count, this.out)
      // The second answer may be longer than the first: what another read has brought from disk meanwhile is in it.
      while (written < 0) {
        this.out = new Uint8Array(Math.max(-2 - written, this.out.length * 2))
        written = engine.validate(body, 0, body.length, needs, count, this.out)
      }
      return written
    } catch (error) {
      if ((error as { code?: string }).code === 'bad_frame') return `body: ${(error as Error).message}`
      throw error
    }
  }

  /** Bytes written to `out`, which grows to what the answer needs, or NEEDS_IO. */
  private read(read: PendingRead): number {
    const written = this.readInto(read, this.out)
    if (written > -2) return written
    this.out = new Uint8Array(Math.max(-2 - written, this.out.length * 2))
    return this.readInto(read, this.out)
  }

  private readInto({ block, request }: PendingRead, out: Uint8Array): number {
    const { engine } = this
    const { operation, body } = request
    if (operation === Operation.get) return engine.get(block, body, 0, body.length, out, 0)
    if (operation === Operation.scan) return engine.scan(block, body, 0, body.length, out, 0)
    return engine.pageVersions(block, body, 0, body.length, out, 0)
  }

  private readAsync(read: PendingRead): void {
    const { engine } = this
    const { block, request } = read
    const { operation, body } = request
    const answer =
      operation === Operation.get
        ? engine.getAsync(block, body, 0, body.length)
        : operation === Operation.scan
          ? engine.scanAsync(block, body, 0, body.length)
          : engine.pageVersionsAsync(block, body, 0, body.length)
    this.settle(read, answer)
  }

  private settle(read: PendingRead, answer: Promise<Uint8Array>): void {
    this.fromDisk++
    this.turnBytes += HANDED_ON_BYTES
    answer.then(
      (bytes) => read.request.reply(0, bytes),
      (error: unknown) => {
        if (isRefusal(error)) {
          this.refuse(read, error)
          return
        }
        this.failed++
        read.request.reply(ERRORS.unavailable.number, writeFailure(0, 0, `the engine could not read: ${String(error)}`))
      },
    )
  }

  private refuse({ request }: PendingRead, error: unknown): void {
    if (!isRefusal(error)) throw error
    const retryAfterMs = error.code === 'overloaded' ? RETRY_AFTER_MS : 0
    request.reply(ERRORS[error.code].number, writeFailure(0, retryAfterMs, error.message))
  }
}

interface Refusal extends Error {
  readonly code: 'invalid_argument' | 'unavailable' | 'overloaded'
}

/** The engine bounds every answer where it makes it and what waits for the disk, and reads nothing of a block that a snapshot replaces. */
function isRefusal(error: unknown): error is Refusal {
  const { code } = error as { code?: string }
  return code === 'invalid_argument' || code === 'unavailable' || code === 'overloaded'
}
