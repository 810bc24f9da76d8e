/** Every failure of the HTTP side has one form: `{ code, message, outcome, nextStep }`, with the status of the error table. */
import type { Socket } from 'node:net'
import { ERRORS, type ErrorCode, MAX_VALUE_BYTES, type Outcome, ThermoclineError } from '@thermocline/protocol'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Complaints } from '../doors/complaints.ts'
import { sourceOf } from '../doors/source.ts'

/** Refusals that say something about who asks. */
const REPORTED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['unauthorized', 'forbidden'])
/** A wrong value is quoted up to here. */
const MAX_SHOWN_CHARS = 80

export const errorSchema = z
  .object({
    code: z.string().meta({ description: 'stable; one of the error table' }),
    message: z.string(),
    outcome: z.enum(['not', 'maybe', 'did']).meta({ description: 'what a failed write may assume' }),
    nextStep: z.string(),
    currentVersion: z.number().int().optional().meta({ description: 'precondition_failed: 0 if there is no record' }),
  })
  .meta({ description: 'What went wrong and what to do' })

/** Where a request for a block of another group should go, with how it was asked. */
export class Redirect extends Error {
  readonly location: string
  readonly reason: ThermoclineError

  constructor(location: string, reason: ThermoclineError) {
    super(reason.message)
    this.location = location
    this.reason = reason
  }
}

function bodyOf(code: ErrorCode, message: string, outcome: Outcome, currentVersion?: number) {
  return { code, message, outcome, nextStep: ERRORS[code].nextStep, ...(currentVersion === undefined ? {} : { currentVersion }) }
}

export function sendError(reply: FastifyReply, error: ThermoclineError, status = ERRORS[error.code].httpStatus): FastifyReply {
  if (error.retryAfterMs !== undefined) reply.header('retry-after', Math.max(1, Math.ceil(error.retryAfterMs / 1000)))
  if (error.code === 'unauthorized') reply.header('www-authenticate', 'Bearer')
  return reply
    .code(status)
    .type('application/json')
    .send(bodyOf(error.code, error.message, error.outcome, error.currentVersion))
}

/** The field that is wrong, and its value if it has one: `querystring.limit: "0": `. */
function describe(request: FastifyRequest, context: string | undefined, path: readonly string[]): string {
  const parts: Readonly<Record<string, unknown>> = { querystring: request.query, params: request.params, headers: request.headers }
  const [name] = path
  const value = (parts[context ?? ''] as Record<string, unknown> | undefined)?.[name ?? '']
  const field = [context ?? 'request', ...path].filter((part) => part !== '').join('.')
  return `${field}: ${value === undefined ? '' : `${JSON.stringify(value).slice(0, MAX_SHOWN_CHARS)}: `}`
}

/** Fastify's own refusals, in this house's words where they name no field. */
function messageOf({ code, message }: FastifyError): string {
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return `body: is longer than ${MAX_VALUE_BYTES} bytes, the largest value`
  if (code === 'FST_ERR_BAD_URL') return `url: ${message}; expected UTF-8, percent-encoded`
  return message
}

/** The one error handler of the server, and that of what is no HTTP. Lines about those who cause errors are few. */
export function errorHandlers(complaints: Complaints) {
  return {
    onError: (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) => onError(error, request, reply, complaints),
    onMalformed: (error: Error & { code?: string }, socket: Socket) => onMalformed(error, socket, complaints),
  }
}

/** What it does not know is a bug: reported, logged, not explained to the caller. */
function onError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply, complaints: Complaints): FastifyReply {
  if (error instanceof Redirect) {
    reply.header('location', error.location)
    return sendError(reply, error.reason, 307)
  }
  const source = sourceOf(request.raw.socket.remoteAddress)
  if (error instanceof ThermoclineError) {
    const { code, message } = error
    if (REPORTED.has(code)) complaints.report(source, 'an HTTP request was refused', { code, message })
    return sendError(reply, error)
  }
  const { validation, validationContext, statusCode = 500 } = error as FastifyError
  if (validation !== undefined) {
    const issue = validation[0]
    const path = (issue?.instancePath ?? '').split('/').slice(1)
    const what = describe(request, validationContext, path)
    return sendError(reply, new ThermoclineError('invalid_argument', `${what}${issue?.message ?? 'is not valid'}`))
  }
  if (statusCode < 500) return sendError(reply, new ThermoclineError('invalid_argument', messageOf(error as FastifyError)), statusCode)
  complaints.report(source, 'an HTTP request failed; that is a bug', { reqId: request.id, error: String(error.stack) })
  return sendError(reply, new ThermoclineError('internal', 'the request failed; the log of this node says more', { cause: error }))
}

/** What is no HTTP at all, or breaks its rules: there is no request to answer, only a socket. */
function onMalformed(error: Error & { code?: string }, socket: Socket, complaints: Complaints): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  complaints.report(sourceOf(socket.remoteAddress), 'what came to the HTTP port is not well-formed', { message: error.message })
  const isTooLong = error.code === 'HPE_HEADER_OVERFLOW'
  const body = JSON.stringify(
    bodyOf('invalid_argument', `request: is not well-formed HTTP (${error.message}); the data port is another`, 'not'),
  )
  const status = isTooLong ? '431 Request Header Fields Too Large' : '400 Bad Request'
  const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`
  socket.end(`${head}\r\n\r\n${body}`)
}
