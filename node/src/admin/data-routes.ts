/** The data API that curl can use on any replica: one record, append, and ranges as JSON or NDJSON. */
import { Readable } from 'node:stream'
import {
  appendOp,
  checkScan,
  continueScan,
  deleteOp,
  formatRecordId,
  MAX_ID,
  MAX_ID_SEQ,
  MAX_SCAN_RECORDS,
  MAX_VALUE_BYTES,
  MIN_ID,
  parseRecordId,
  placementOf,
  putOp,
  type RecordId,
  replicaOrder,
  type ScanAnswer,
  type ScannedRecord,
  type ScanRange,
  ThermoclineError,
  type WriteConditions,
} from '@thermocline/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { sourceOf } from '../doors/source.ts'
import { failures } from './health-and-topology-routes.ts'
import { Redirect } from './http-errors.ts'
import type { AdminService, DataService } from './ports.ts'
import { MovedError, Records } from './records.ts'

const DEFAULT_TIMEOUT_MS = 10_000
const MAX_TIMEOUT_MS = 60_000
const DEFAULT_LIMIT = 1000

const timeoutMs = z.coerce
  .number()
  .int()
  .min(1)
  .max(MAX_TIMEOUT_MS)
  .default(DEFAULT_TIMEOUT_MS)
  .meta({ description: 'deadline of the request in ms' })
const timing = z.strictObject({ timeoutMs })
const series = z.string().min(1).meta({ description: '1 to 512 bytes in UTF-8, percent-encoded' })
const seriesParams = z.strictObject({ series })
const recordParams = z.strictObject({ series, id: z.string().meta({ description: '<ms>-<seq>, like 1732233600000-0' }) })
const range = z.strictObject({
  from: z.string().optional().meta({ description: 'lowest id, inclusive; a bare <ms> means its first' }),
  to: z.string().optional().meta({ description: 'highest id, inclusive; a bare <ms> means its last' }),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(0xffffffff)
    .optional()
    .meta({ description: `most records; for JSON at most ${MAX_SCAN_RECORDS}` }),
  reverse: z.enum(['true', 'false']).default('true').meta({ description: 'newest first' }),
  timeoutMs,
})

const version = z.number().int().meta({ description: 'the log index that wrote the record' })
const recordSchema = z.object({
  id: z.string(),
  version,
  value: z.string().meta({ description: 'base64' }),
  text: z.string().optional().meta({ description: 'the value, if it is valid UTF-8' }),
})
const raw = z.string().meta({ description: 'the value, as stored', format: 'binary' })

interface Target {
  readonly app: FastifyInstance
  readonly data: DataService
  readonly admin: AdminService
  readonly randomHex: (bytes: number) => string
}

export function addDataRoutes({ app: plain, data, admin, randomHex }: Target): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const recordsFor = (request: FastifyRequest): Records => new Records(data, sourceOf(request.raw.socket.remoteAddress), randomHex)
  const redirecting = <T>(request: FastifyRequest, promise: Promise<T>) =>
    promise.catch((error: unknown) => redirect(admin, request, error))
  const record = '/v1/series/:series/records/:id'
  const all = '/v1/series/:series/records'

  app.put(
    record,
    {
      bodyLimit: MAX_VALUE_BYTES,
      schema: {
        summary: 'Write a record',
        description:
          'Body: the value, at most 1 MiB, of any content type. `If-None-Match: *` writes only if there is no such record, `If-Match: "<version>"` only over that version.',
        tags: ['data'],
        params: recordParams,
        querystring: timing,
        response: { 200: z.object({ version }), ...failures },
      },
    },
    async (request, reply) => {
      const op = putOp(parseRecordId(request.params.id), bodyOf(request), conditionsOf(request))
      const answer = await redirecting(request, recordsFor(request).write(request.params.series, op, request.query.timeoutMs))
      return reply.header('etag', etag(answer.index)).send({ version: answer.index })
    },
  )

  app.get(
    record,
    {
      schema: {
        summary: 'Read a record',
        description: 'The body is the value, the ETag its version. With `If-None-Match: "<version>"` the answer is 304 if that is current.',
        tags: ['data'],
        params: recordParams,
        querystring: timing,
        response: { 200: raw, 304: z.undefined().meta({ description: 'That version is current' }), ...failures },
      },
    },
    async (request, reply) => {
      const id = parseRecordId(request.params.id)
      const found = await redirecting(request, recordsFor(request).get(request.params.series, id, request.query.timeoutMs))
      if (found.version === 0) {
        throw new ThermoclineError('not_found', `series ${JSON.stringify(request.params.series)} has no record ${formatRecordId(id)}`)
      }
      reply.header('etag', etag(found.version))
      const known = request.headers['if-none-match']
      if (known?.split(',').some((tag) => tag.trim() === etag(found.version))) return reply.code(304).send()
      return sendBytes(reply, found.value)
    },
  )

  app.delete(
    record,
    {
      schema: {
        summary: 'Remove a record',
        description: '`If-Match: "<version>"` removes only that version.',
        tags: ['data'],
        params: recordParams,
        querystring: timing,
        response: { 200: z.object({ version, existed: z.boolean() }), ...failures },
      },
    },
    async (request) => {
      const op = deleteOp(parseRecordId(request.params.id), conditionsOf(request))
      const answer = await redirecting(request, recordsFor(request).write(request.params.series, op, request.query.timeoutMs))
      return { version: answer.index, existed: answer.removedVersion > 0 }
    },
  )

  app.post(
    all,
    {
      bodyLimit: MAX_VALUE_BYTES,
      schema: {
        summary: 'Append a record',
        description: 'Body: the value. The cluster assigns the id, above all others of the series.',
        tags: ['data'],
        params: seriesParams,
        querystring: timing,
        response: { 201: z.object({ id: z.string(), version }), ...failures },
      },
    },
    async (request, reply) => {
      const answer = await redirecting(
        request,
        recordsFor(request).write(request.params.series, appendOp(bodyOf(request)), request.query.timeoutMs),
      )
      const id = formatRecordId(answer.id)
      reply.header('etag', etag(answer.index)).header('location', `/v1/series/${encodeURIComponent(request.params.series)}/records/${id}`)
      return reply.code(201).send({ id, version: answer.index })
    },
  )

  app.get(
    all,
    {
      schema: {
        summary: 'Read a range of a series',
        description:
          'JSON: one chunk, a snapshot; `next` is the id to go on at, as `to` when newest first, as `from` otherwise. Where thousands of records were deleted a chunk may have none, and a `next`. With `Accept: application/x-ndjson` the whole range is streamed, a record per line, chunk by chunk; a stream that fails ends with a line `{"error": …}` and a broken connection.',
        tags: ['data'],
        params: seriesParams,
        querystring: range,
        response: {
          200: z.object({ records: z.array(recordSchema), next: z.string().nullable() }).meta({ description: 'or a stream of records' }),
          ...failures,
        },
      },
    },
    async (request, reply) => {
      const { query, params } = request
      const streamed = /application\/x-ndjson/.test(request.headers.accept ?? '')
      const wanted = rangeOf(query, streamed ? Number.POSITIVE_INFINITY : DEFAULT_LIMIT)
      const first = await redirecting(request, recordsFor(request).scan(params.series, wanted, query.timeoutMs))
      if (!streamed) return { records: first.records.map(shape), next: first.next === undefined ? null : formatRecordId(first.next) }
      const goOn = (at: ScanRange) => recordsFor(request).scan(params.series, at, query.timeoutMs)
      return sendStream(reply, lines(first, wanted, goOn))
    },
  )
}

/** Finishes the range, one chunk after the other, as the reader takes them. */
async function* lines(first: ScanAnswer, wanted: ScanRange, goOn: (at: ScanRange) => Promise<ScanAnswer>): AsyncGenerator<string> {
  let chunk = first
  let left = wanted.limit
  for (;;) {
    if (chunk.records.length > 0) yield `${chunk.records.map((record) => JSON.stringify(shape(record))).join('\n')}\n`
    left -= chunk.records.length
    const { next } = chunk
    if (next === undefined || left <= 0) return
    try {
      chunk = await goOn({ ...continueScan(wanted, next), limit: Math.min(left, MAX_SCAN_RECORDS) })
    } catch (error) {
      const { code, message } = error instanceof ThermoclineError ? error : { code: 'internal', message: 'the scan failed' }
      yield `${JSON.stringify({ error: { code, message, next: formatRecordId(next) } })}\n`
      throw error
    }
  }
}

function rangeOf(query: z.output<typeof range>, defaultLimit: number): ScanRange {
  const wanted = {
    from: query.from === undefined ? MIN_ID : parse('from', query.from, 0),
    to: query.to === undefined ? MAX_ID : parse('to', query.to, MAX_ID_SEQ),
    limit: query.limit ?? defaultLimit,
    reverse: query.reverse === 'true',
  }
  checkScan({ ...wanted, limit: Math.min(wanted.limit, MAX_SCAN_RECORDS) })
  return wanted
}

function parse(name: string, text: string, missingSeq: number): RecordId {
  try {
    return parseRecordId(text, missingSeq)
  } catch (cause) {
    throw new ThermoclineError('invalid_argument', `querystring.${name}: ${(cause as Error).message}`, { cause })
  }
}

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function shape({ id, version: at, value }: ScannedRecord): z.output<typeof recordSchema> {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  const shaped = { id: formatRecordId(id), version: at, value: bytes.toString('base64') }
  try {
    return { ...shaped, text: strictText.decode(value) }
  } catch {
    return shaped
  }
}

/** Sends past the schemas: they are for JSON. */
function sendBytes(reply: FastifyReply, value: Uint8Array): FastifyReply {
  return reply.type('application/octet-stream').send(Buffer.from(value.buffer, value.byteOffset, value.length))
}

function bodyOf(request: FastifyRequest): Uint8Array {
  return Buffer.isBuffer(request.body) ? request.body : new Uint8Array(0)
}

function sendStream(reply: FastifyReply, of: AsyncGenerator<string>): FastifyReply {
  return reply.type('application/x-ndjson').send(Readable.from(of, { objectMode: false }))
}

const etag = (of: number): string => `"${of}"`

function conditionsOf(request: FastifyRequest): WriteConditions {
  const { 'if-match': match, 'if-none-match': noneMatch } = request.headers
  if (noneMatch !== undefined && (noneMatch.trim() !== '*' || request.method !== 'PUT')) {
    throw new ThermoclineError('invalid_argument', `headers.if-none-match: ${noneMatch} is not *, which is what a PUT may ask for`)
  }
  if (match === undefined) return { ifAbsent: noneMatch !== undefined }
  const quoted = /^"?(\d{1,15})"?$/.exec(match.trim())
  if (quoted === null) throw new ThermoclineError('invalid_argument', `headers.if-match: ${match} is not one version, like "17"`)
  return { ifAbsent: noneMatch !== undefined, ifVersion: Number(quoted[1]) }
}

/** A request for another group's block goes to the replica of that group whose turn it is. */
function redirect(admin: AdminService, request: FastifyRequest, error: unknown): never {
  const topology = error instanceof MovedError ? admin.topology() : undefined
  if (topology === undefined || !(error instanceof MovedError)) throw error
  const { owner, slot } = placementOf(topology.groups.length)
  const group = topology.groups[owner[error.block] as number]
  const [first] = group === undefined ? [] : replicaOrder(slot[error.block] as number, group.replicas.length)
  const replica = group?.replicas[first ?? 0]
  const { group: own } = admin.status()
  if (replica === undefined || group?.group === own) throw error
  throw new Redirect(`http://${replica.http}${request.url}`, error)
}
