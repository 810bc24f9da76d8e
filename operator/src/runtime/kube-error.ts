/** A request to the Kubernetes API that failed: what was asked, of whom, and what the answer was. */

export interface Asked {
  readonly verb: string
  readonly resource: string
  readonly name?: string | undefined
}

interface Answer {
  /** HTTP status; 0 if there was no (whole) answer. */
  readonly status: number
  /** As in the API's Status: Conflict, AlreadyExists, Expired, …; without an answer: Unreachable, TimedOut, BadAnswer. */
  readonly reason: string
  readonly message: string
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

export class KubeError extends Error {
  override readonly name = 'KubeError'
  readonly verb: string
  readonly resource: string
  readonly object: string | undefined
  readonly status: number
  readonly reason: string
  /** The server's wish, from Retry-After. */
  readonly retryAfterMs: number | undefined

  constructor({ verb, resource, name }: Asked, { status, reason, message, retryAfterMs, cause }: Answer) {
    super(`${verb} ${resource}${name === undefined ? '' : ` ${name}`}: ${status === 0 ? '' : `${status} `}${reason}: ${message}`, { cause })
    this.verb = verb
    this.resource = resource
    this.object = name
    this.status = status
    this.reason = reason
    this.retryAfterMs = retryAfterMs
  }

  /** The write may have happened: there was no answer, or one from a server in trouble. */
  get isUnknown(): boolean {
    return this.status === 0 || this.status >= 500
  }
}

/** Somebody else was faster: read again and decide anew. */
export const isConflict = (error: unknown): boolean => error instanceof KubeError && error.status === 409
export const isAlreadyExists = (error: unknown): boolean => error instanceof KubeError && error.reason === 'AlreadyExists'
export const isNotFound = (error: unknown): boolean => error instanceof KubeError && error.status === 404
/** The version to watch from, or the page to go on from, is compacted away. */
export const isGone = (error: unknown): boolean => error instanceof KubeError && error.status === 410
