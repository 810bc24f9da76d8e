/**
 * The one table of coded errors. Every code a client, an HTTP caller or a log line can show stands here; the reference
 * page `docs/reference/errors.md` is generated from it and a test compares the two.
 *
 * `outcome` says what a failed *write* may assume: `not` it did not happen, `maybe` it may have, `did` it has happened.
 */

export type Outcome = 'not' | 'maybe' | 'did'

export interface ErrorSpec {
  /** Number on the wire; never reused. */
  readonly number: number
  readonly httpStatus: number
  readonly outcome: Outcome
  /** A client may try again by itself, elsewhere or later. */
  readonly retry: boolean
  readonly summary: string
  /** The next step for a person. */
  readonly nextStep: string
}

const spec = (number: number, httpStatus: number, outcome: Outcome, retry: boolean, summary: string, nextStep: string) =>
  ({ number, httpStatus, outcome, retry, summary, nextStep }) as const satisfies ErrorSpec

export const ERRORS = {
  invalid_argument: spec(
    1,
    400,
    'not',
    false,
    'A field is missing, out of range or of the wrong form.',
    'Correct the field the message names.',
  ),
  precondition_failed: spec(
    2,
    412,
    'not',
    false,
    'ifAbsent or ifVersion did not hold.',
    'Read the record again and decide anew; the answer carries its current version.',
  ),
  not_found: spec(3, 404, 'not', false, 'There is no such record or route.', 'Check series and id.'),
  busy: spec(
    4,
    503,
    'not',
    true,
    'Other replicas proposed at the same time, or no majority answered; no Accept carried the write.',
    'Try again; if it lasts, see that a majority of replicas runs.',
  ),
  unknown: spec(
    5,
    504,
    'maybe',
    false,
    'The write was sent on, but its fate is not known in time.',
    'Retry with the same request id, or read the record.',
  ),
  overloaded: spec(
    6,
    429,
    'not',
    true,
    'The replica refuses work it could not finish in time.',
    'Try again after the time the answer names.',
  ),
  expired: spec(
    7,
    410,
    'not',
    false,
    'The retry is older than the replica remembers answers for; this attempt was not applied.',
    'Read the record to learn whether an earlier attempt was.',
  ),
  moved: spec(8, 421, 'not', true, 'The block belongs to another group.', 'Fetch the topology; the client library does so by itself.'),
  unavailable: spec(
    9,
    503,
    'not',
    true,
    'No majority of the group answers, or the replica is starting, stopping or learning.',
    'Look at `thermocline status`.',
  ),
  disk_full: spec(10, 507, 'not', true, 'The volume is full; reads go on.', 'Free space or grow the volume; writes resume by themselves.'),
  deadline_exceeded: spec(
    11,
    504,
    'maybe',
    false,
    'The caller’s deadline passed.',
    'Raise the deadline, or read the record to learn the fate of a write.',
  ),
  cancelled: spec(12, 499, 'maybe', false, 'The caller aborted the call.', 'Read the record to learn the fate of a write.'),
  wrong_cluster: spec(13, 409, 'not', false, 'The other side belongs to another cluster.', 'Check the endpoints, or the data directory.'),
  wrong_role: spec(14, 400, 'not', false, 'This port or role does not serve that request.', 'Use the port the message names.'),
  bad_frame: spec(15, 400, 'not', false, 'A frame is malformed, truncated or too long.', 'Use a client of a supported version.'),
  unsupported_version: spec(
    16,
    426,
    'not',
    false,
    'The other side, or a volume, has a version this one does not know.',
    'Upgrade the older side.',
  ),
  stale_epoch: spec(
    17,
    409,
    'not',
    false,
    'The topology’s epoch is not newer than the one in force, or is the same with other content.',
    'Fetch the current topology and edit that.',
  ),
  unauthorized: spec(
    18,
    401,
    'not',
    false,
    'An admin write needs the token.',
    'Send `Authorization: Bearer` with the content of the token file.',
  ),
  bad_stamp: spec(
    19,
    409,
    'not',
    false,
    'The request’s stamp is not older than the block’s log.',
    'Fetch a new stamp; was the cluster restored from an old copy?',
  ),
  rolled_back: spec(
    20,
    409,
    'not',
    false,
    'The volume is older than what its peers remember of it.',
    'Let it rejoin as a learner on a fresh volume.',
  ),
  corrupt: spec(21, 500, 'not', false, 'Stored bytes failed their checksum.', 'Replace the replica’s volume; its peers have the data.'),
  port_in_use: spec(22, 500, 'not', false, 'Another process listens on that port.', 'Stop it or choose another port.'),
  locked: spec(23, 500, 'not', false, 'Another process uses this data directory.', 'Stop it or choose another directory.'),
  internal: spec(24, 500, 'maybe', false, 'A bug.', 'Please report it with the log.'),
  not_cached: spec(
    25,
    421,
    'not',
    true,
    'The memory tier leaves this read to the storage tier.',
    'Read from the storage tier; the client library does so by itself.',
  ),
  replaced: spec(
    26,
    409,
    'not',
    false,
    'A later volume has taken the place of this replica’s.',
    'Nothing: a volume that most of its peers call replaced rejoins as a learner by itself.',
  ),
  forbidden: spec(
    27,
    403,
    'not',
    false,
    'A page of another web site asked, or by a host name that this port does not answer to.',
    'Ask by a name that the message lists, or add one with --allow-host.',
  ),
} as const satisfies Record<string, ErrorSpec>

export type ErrorCode = keyof typeof ERRORS

const byNumber: (ErrorCode | undefined)[] = []
for (const [code, { number }] of Object.entries(ERRORS)) byNumber[number] = code as ErrorCode

/** The code of a wire number; an unknown number (a newer peer's) is `internal`. */
export function errorCodeOf(number: number): ErrorCode {
  return byNumber[number] ?? 'internal'
}

/** An error at an edge: stable `code`, a message that names the field, the value and what was expected. */
export class ThermoclineError extends Error {
  override readonly name: string = 'ThermoclineError'
  readonly code: ErrorCode
  /** What a failed write may assume; defaults to the table's. */
  readonly outcome: Outcome
  /** For `overloaded`: wait at least this long. */
  readonly retryAfterMs: number | undefined
  /** For `precondition_failed`: the record's current version, 0 when absent. */
  readonly currentVersion: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    details: { cause?: unknown; outcome?: Outcome; retryAfterMs?: number; currentVersion?: number } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.outcome = details.outcome ?? ERRORS[code].outcome
    this.retryAfterMs = details.retryAfterMs
    this.currentVersion = details.currentVersion
  }
}
