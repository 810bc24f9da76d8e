/** Every failure of the HTTP side has one form: `{ code, message, outcome, nextStep }`, with the status of the error table. */
import { ERRORS, type ErrorCode, type Outcome, ThermoclineError } from '@thermocline/protocol'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'

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

/** The one error handler of the server. What it does not know is a bug: reported, logged, not explained to the caller. */
export function onError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof Redirect) {
    reply.header('location', error.location)
    return sendError(reply, error.reason, 307)
  }
  if (error instanceof ThermoclineError) return sendError(reply, error)
  const { validation, validationContext, statusCode = 500 } = error as FastifyError
  if (validation !== undefined) {
    const issue = validation[0]
    const field = `${validationContext ?? 'request'}${(issue?.instancePath ?? '').replaceAll('/', '.')}`
    return sendError(reply, new ThermoclineError('invalid_argument', `${field}: ${issue?.message ?? 'is not valid'}`))
  }
  if (statusCode < 500) return sendError(reply, new ThermoclineError('invalid_argument', error.message), statusCode)
  request.log.error({ err: error }, 'a request failed')
  return sendError(reply, new ThermoclineError('internal', 'the request failed; the log of this node says more', { cause: error }))
}
