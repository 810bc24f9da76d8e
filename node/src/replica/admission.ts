/**
 * Admission: whether a request is taken on at all. It is refused early with `overloaded` rather than timed out late
 * (design §4.5): by bytes and number waiting, and by the age of what is next to be served, which grows long before a
 * queue looks long. Writes are refused with `disk_full` while the log cannot grow or the tables cannot be written.
 */
export interface AdmissionLimits {
  readonly maxWrites: number
  readonly maxWriteBytes: number
  readonly maxReads: number
  readonly maxReadBytes: number
}

export interface RequestLimits extends AdmissionLimits {
  readonly maxAnswers: number
}

export interface Load {
  readonly writes: number
  readonly writeBytes: number
  readonly reads: number
  readonly readBytes: number
  /** Age of the last finished log write's start: how long a write that arrives now waits at least. */
  readonly syncWaitMs: number
  readonly isDiskFull: boolean
  /** The frozen memory component is not flushed and the active one is full. */
  readonly isMemoryFull: boolean
  /** Answers that the request table remembers. */
  readonly answers: number
}

/** A log write that takes this long means that nothing admitted now is answered in time. */
const MAX_SYNC_WAIT_MS = 2000

export type Refusal = { readonly code: 'overloaded' | 'disk_full'; readonly retryAfterMs: number; readonly message: string }

export function admitWrite(load: Load, limits: RequestLimits): Refusal | undefined {
  if (load.isDiskFull)
    return {
      code: 'disk_full',
      retryAfterMs: 1000,
      message: 'the volume is full: writes are refused, reads go on; free space or grow the volume',
    }
  if (load.isMemoryFull) return { code: 'overloaded', retryAfterMs: 200, message: 'applied writes wait to be flushed to disk' }
  if (load.answers >= limits.maxAnswers)
    return {
      code: 'overloaded',
      retryAfterMs: 500,
      message: `the answers of ${load.answers} writes are remembered; the limit is ${limits.maxAnswers}: the oldest are forgotten soon`,
    }
  if (load.writes >= limits.maxWrites)
    return { code: 'overloaded', retryAfterMs: 50, message: `${load.writes} writes wait; the limit is ${limits.maxWrites}` }
  if (load.writeBytes >= limits.maxWriteBytes) {
    return {
      code: 'overloaded',
      retryAfterMs: 50,
      message: `writes of ${load.writeBytes} bytes wait; the limit is ${limits.maxWriteBytes}`,
    }
  }
  if (load.syncWaitMs > MAX_SYNC_WAIT_MS)
    return { code: 'overloaded', retryAfterMs: 500, message: `the log has been syncing for ${Math.round(load.syncWaitMs)} ms` }
  return undefined
}

export function admitRead(load: Load, limits: AdmissionLimits): Refusal | undefined {
  if (load.reads >= limits.maxReads)
    return { code: 'overloaded', retryAfterMs: 20, message: `${load.reads} reads wait; the limit is ${limits.maxReads}` }
  if (load.readBytes >= limits.maxReadBytes)
    return { code: 'overloaded', retryAfterMs: 20, message: `reads of ${load.readBytes} bytes wait; the limit is ${limits.maxReadBytes}` }
  return undefined
}
