/** The answer to `Operation.topology`, the same in every role: a newer topology than the caller knows, or nothing, after a while. */
import { ERRORS, type Topology } from '@thermocline/protocol'
import type { NodeRequest } from '../doors/node-request.ts'
import { writeFailure } from '../kv/answers.ts'

export const MAX_TOPOLOGY_WAIT_MS = 60_000
const BODY_BYTES = 8

/** @param watch resolves with a topology above that epoch, or with undefined after `waitMs`. */
export function answerTopology(request: NodeRequest, watch: (epoch: number, waitMs: number) => Promise<Topology | undefined>): void {
  const { body } = request
  if (body.length !== BODY_BYTES) {
    const text = `topology: the body has ${body.length} bytes; expected ${BODY_BYTES}`
    request.reply(ERRORS.invalid_argument.number, writeFailure(0, 0, text))
    return
  }
  const view = new DataView(body.buffer, body.byteOffset, BODY_BYTES)
  const waitMs = Math.min(view.getUint32(4, true), MAX_TOPOLOGY_WAIT_MS)
  void watch(view.getUint32(0, true), waitMs).then((topology) =>
    request.reply(0, topology === undefined ? new Uint8Array(0) : new TextEncoder().encode(JSON.stringify(topology))),
  )
}
