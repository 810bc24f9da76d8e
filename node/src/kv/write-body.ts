/**
 * Checks the body of `Operation.write` where it arrives, so that everything after may trust its lengths. Layout:
 * protocol/src/client-messages.ts. The answer is a coded refusal or the offsets that the proposer needs.
 */
import {
  ByteReader,
  blockOf,
  Condition,
  DecodeError,
  MAX_INDEX,
  MAX_SERIES_BYTES,
  MAX_VALUE_BYTES,
  MAX_WRITE_BYTES,
  MAX_WRITE_OPS,
  REQUEST_ID_BYTES,
  seriesFingerprint,
  WriteKind,
} from '@thermocline/protocol'

export interface WriteShape {
  readonly block: number
  readonly opsAt: number
  readonly opCount: number
  readonly seriesFingerprint: number
  readonly isAppend: boolean
}

/** Bytes of an operation before its value. */
export const WRITE_OP_HEAD_BYTES = 20
/** Where the series' length stands. */
export const WRITE_SERIES_AT = REQUEST_ID_BYTES + 6

const reader = new ByteReader()

/** The shape of a well-formed write, or in words what is wrong with it. */
export function checkWriteBody(body: Uint8Array): WriteShape | string {
  try {
    return check(body)
  } catch (error) {
    if (error instanceof DecodeError) return `body: ${error.message}`
    throw error
  }
}

function check(body: Uint8Array): WriteShape | string {
  reader.reset(body)
  reader.skip(WRITE_SERIES_AT)
  const seriesLength = reader.u16()
  if (seriesLength < 1 || seriesLength > MAX_SERIES_BYTES) return `series: has ${seriesLength} bytes; expected 1 to ${MAX_SERIES_BYTES}`
  const series = reader.take(seriesLength)
  const opsAt = reader.at
  const opCount = reader.u16()
  if (opCount < 1 || opCount > MAX_WRITE_OPS) return `ops: ${opCount} operations; expected 1 to ${MAX_WRITE_OPS}`
  let isAppend = false
  let total = 0
  const ids = opCount > 1 ? new Set<string>() : undefined
  for (let i = 0; i < opCount; i++) {
    const kind = reader.u8()
    const condition = reader.u8()
    const version = reader.u48()
    const id = reader.take(8)
    const length = reader.u32()
    if (kind < WriteKind.put || kind > WriteKind.append) return `ops[${i}].kind: ${kind} is not known`
    if (condition > Condition.ifVersion) return `ops[${i}].condition: ${condition} is not known`
    if (version > MAX_INDEX) return `ops[${i}].version: ${version}; expected at most ${MAX_INDEX}`
    if (kind === WriteKind.append) {
      if (opCount > 1) return `ops[${i}].kind: an append stands alone; expected 1 operation, found ${opCount}`
      if (condition !== Condition.none) return `ops[${i}].condition: an append takes no condition`
      isAppend = true
    }
    if (kind === WriteKind.delete && length > 0) return `ops[${i}].value: a delete carries no value, found ${length} bytes`
    if (length > MAX_VALUE_BYTES) return `ops[${i}].value: has ${length} bytes; expected at most ${MAX_VALUE_BYTES}`
    total += length
    reader.skip(length)
    if (ids !== undefined) {
      const key = String.fromCharCode(...id)
      if (ids.has(key)) return `ops[${i}].id: the same record twice in one write; expected at most one operation per record`
      ids.add(key)
    }
  }
  reader.finish('write')
  if (total > MAX_WRITE_BYTES) return `ops: values of ${total} bytes; expected at most ${MAX_WRITE_BYTES} together`
  return { block: blockOf(series), opsAt, opCount, seriesFingerprint: seriesFingerprint(series), isAppend }
}
