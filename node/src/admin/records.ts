/**
 * Records over the data service: builds the bodies of the data port's operations and reads their answers, so that HTTP
 * callers get exactly what a client gets. A write asks for its stamp first, from this replica, and is one attempt: what
 * its answer leaves open is told to the caller.
 */
import {
  ByteReader,
  ByteWriter,
  blockOf,
  type ErrorCode,
  encodeSeries,
  errorCodeOf,
  Operation,
  type ReadValue,
  type RecordId,
  readErrorBody,
  readGetValue,
  readScanAnswer,
  readWriteAnswer,
  type ScanAnswer,
  type ScanRange,
  ThermoclineError,
  type WriteAnswer,
  type WriteOp,
  writeGetBody,
  writeScanBody,
  writeStampsBody,
  writeWriteBody,
} from '@thermocline/protocol'
import { NodeRequest } from '../doors/node-request.ts'
import type { DataService } from './ports.ts'

/** Asking for a stamp costs no round; it is answered at once or not at all. */
const STAMP_TIMEOUT_MS = 2000
const REQUEST_ID_BYTES = 16

/** The service refused because another group owns the block. */
export class MovedError extends ThermoclineError {
  readonly block: number

  constructor(message: string, block: number) {
    super('moved', message)
    this.block = block
  }
}

/** Of one HTTP request. */
export class Records {
  private readonly data: DataService
  private readonly source: string
  private readonly randomHex: (bytes: number) => string

  /** @param source where the HTTP request came from (doors/source.ts). */
  constructor(data: DataService, source: string, randomHex: (bytes: number) => string) {
    this.data = data
    this.source = source
    this.randomHex = randomHex
  }

  /** @throws ThermoclineError */
  async write(seriesName: string, op: WriteOp, timeoutMs: number): Promise<WriteAnswer> {
    const series = encodeSeries(seriesName)
    const block = blockOf(series)
    const stamp = await this.stamp(block, Math.min(timeoutMs, STAMP_TIMEOUT_MS))
    const writer = new ByteWriter(64 + series.length + op.value.length)
    writeWriteBody(writer, Buffer.from(this.randomHex(REQUEST_ID_BYTES), 'hex'), stamp, series, op)
    return readWriteAnswer(await this.execute(Operation.write, writer, block, timeoutMs))
  }

  /** Version 0 means that there is no such record. @throws ThermoclineError */
  async get(seriesName: string, id: RecordId, timeoutMs: number): Promise<ReadValue> {
    const series = encodeSeries(seriesName)
    const writer = new ByteWriter(64 + series.length)
    writeGetBody(writer, series, [id])
    const reader = await this.execute(Operation.get, writer, blockOf(series), timeoutMs)
    reader.skip(6)
    return readGetValue(reader)
  }

  /** One chunk. @throws ThermoclineError */
  async scan(seriesName: string, range: ScanRange, timeoutMs: number): Promise<ScanAnswer> {
    const series = encodeSeries(seriesName)
    const writer = new ByteWriter(64 + series.length)
    writeScanBody(writer, series, range)
    return readScanAnswer(await this.execute(Operation.scan, writer, blockOf(series), timeoutMs))
  }

  private async stamp(block: number, timeoutMs: number): Promise<number> {
    const writer = new ByteWriter(16)
    writeStampsBody(writer, [block])
    return (await this.execute(Operation.stamps, writer, block, timeoutMs, 'not')).u48()
  }

  private ask(operation: number, body: Uint8Array, timeoutMs: number): Promise<{ readonly error: number; readonly body: Uint8Array }> {
    return new Promise((resolve) => {
      const reply = (_token: number, error: number, answer: Uint8Array): void => resolve({ error, body: answer.slice() })
      this.data.submit(new NodeRequest({ door: 'http', source: this.source, reply }, 0, operation, body, timeoutMs))
    })
  }

  private async execute(operation: number, body: ByteWriter, block: number, timeoutMs: number, outcome?: 'not'): Promise<ByteReader> {
    const answer = await this.ask(operation, body.written(), timeoutMs)
    const reader = new ByteReader(answer.body)
    if (answer.error === 0) return reader
    const code = errorCodeOf(answer.error)
    const { argument, message } = readErrorBody(reader)
    if (code === 'moved') throw new MovedError(message, block)
    const isRead = outcome === 'not' || operation !== Operation.write
    throw new ThermoclineError(code, message + currentOf(code, argument), {
      ...detailsOf(code, argument),
      ...(isRead ? { outcome: 'not' as const } : {}),
    })
  }
}

function currentOf(code: ErrorCode, argument: number): string {
  if (code !== 'precondition_failed') return ''
  return argument === 0 ? '; there is no such record' : `; the record has version ${argument}`
}

function detailsOf(code: ErrorCode, argument: number): { retryAfterMs?: number; currentVersion?: number } {
  if (code === 'overloaded') return { retryAfterMs: argument }
  if (code === 'precondition_failed') return { currentVersion: argument }
  return {}
}
