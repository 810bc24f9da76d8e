/** Bodies of answers to writes (layout: protocol/src/client-messages.ts). */
import { ByteWriter, ERRORS, writeErrorBody } from '@thermocline/protocol'

const DETAIL_BYTES = 8
/** Reused: whoever gets an answer copies it before it returns. An array buffer per write would be a heavy load to collect. */
const success = new Uint8Array(6 + DETAIL_BYTES)
const successView = new DataView(success.buffer)

/**
 * The answer that the request table gives: `[error number, body]`, the body valid until the next one. The detail stands at
 * `detailAt` of `bytes`. A failed condition's is the record's current version; otherwise it goes out as it is.
 */
export function writeAnswer(outcome: number, index: number, bytes: Uint8Array, detailAt: number): [number, Uint8Array] {
  if (outcome === 0) {
    successView.setUint32(0, index >>> 0, true)
    successView.setUint16(4, index / 0x1_0000_0000, true)
    for (let i = 0; i < DETAIL_BYTES; i++) success[6 + i] = bytes[detailAt + i] as number
    return [0, success]
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + detailAt, DETAIL_BYTES)
  const argument = outcome === ERRORS.precondition_failed.number ? view.getUint16(4, true) * 0x1_0000_0000 + view.getUint32(0, true) : 0
  return [outcome, writeFailure(index, argument, OUTCOME_MESSAGES[outcome] ?? '')]
}

const OUTCOME_MESSAGES: Readonly<Record<number, string>> = {
  [ERRORS.precondition_failed.number]: 'the condition of the write did not hold',
  [ERRORS.expired.number]: 'the request is older than the answers that are remembered; this attempt was not applied',
  [ERRORS.bad_stamp.number]: 'the stamp of the request is not older than the block’s log',
}

/** The body of an error answer. */
export function writeFailure(index: number, argument: number, message: string): Uint8Array {
  const writer = new ByteWriter(14 + message.length * 3)
  writeErrorBody(writer, { index, argument, message })
  return writer.written()
}
