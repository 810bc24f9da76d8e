/** Bodies of answers to writes (layout: protocol/src/client-messages.ts). */
import { ByteWriter, ERRORS, writeErrorBody } from '@thermocline/protocol'

/**
 * The answer that the request table gives: `[error number, body]`. A failed condition's detail is the record's current
 * version; otherwise the detail goes out as it is.
 */
export function writeAnswer(outcome: number, index: number, detail: Uint8Array): [number, Uint8Array] {
  if (outcome === 0) {
    const body = new Uint8Array(14)
    new DataView(body.buffer).setUint32(0, index >>> 0, true)
    new DataView(body.buffer).setUint16(4, index / 0x1_0000_0000, true)
    body.set(detail, 6)
    return [0, body]
  }
  const view = new DataView(detail.buffer, detail.byteOffset, detail.byteLength)
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
