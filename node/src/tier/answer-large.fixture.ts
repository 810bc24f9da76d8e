/** A process whose memory tier gives large answers on many connections, and takes large requests; it prints what it holds on to afterwards. */
import { setTimeout as delay } from 'node:timers/promises'
import { ByteWriter, Operation, PageVerdict, placementOf } from '@thermocline/protocol'
import { getRequest } from '../engine/model.ts'
import { writeRequest } from '../server/raw-client.fixture.ts'
import { anonymousBytes, writePageAnswer } from './process-memory.fixture.ts'
import { Lane, Tier } from './tier.ts'

const VALUE_BYTES = 60_000
const CONNECTIONS = 100
const id = 1n << 16n

function frameOf(body: Uint8Array, times: number): Uint8Array {
  const frame = new ByteWriter(times * (body.length + 13))
  for (let correlation = 0; correlation < times; correlation++) writeRequest(frame, correlation, Operation.get, body)
  return frame.copy()
}

/** Of one series, whose page comes, or is as it was held. */
function answerOf(verdict: number): Uint8Array {
  const answer = new ByteWriter(VALUE_BYTES + 64)
  answer.u16(1)
  if (verdict === PageVerdict.page) writePageAnswer(answer, id, new Uint8Array(VALUE_BYTES))
  else {
    answer.u8(0)
    answer.u48(1)
    answer.u8(verdict)
  }
  return answer.copy()
}

const tier = new Tier({ path: undefined, owner: 'o', cacheBytes: 32 << 20, boot: 1, sliceDurationMs: 1000, restoreGeneration: 0 })
tier.setOwners(placementOf(1).owner, 1)

function finish(lane: number, verdict: number): void {
  tier.finish((tier.begin(0, lane, 100) as { number: number }).number, answerOf(verdict), 100)
  for (const connection of tier.dirty()) tier.flush(connection, 1)
}

const one = frameOf(getRequest('s', [id]), 1)
tier.take(1, one, 0, one.length, 1, 100)
finish(Lane.missing, PageVerdict.page)
const before = anonymousBytes()
// As many bytes of answers as may wait at a time, each time on other connections.
const some = frameOf(getRequest('s', [id]), 10)
for (let connection = 2; connection < 2 + 4 * CONNECTIONS; connection++) {
  tier.take(connection, some, 0, some.length, 10, 100)
  if (connection % CONNECTIONS === 1) finish(Lane.held, PageVerdict.unchanged)
}
// On one connection.
const many = frameOf(getRequest('s', [id]), 1000)
tier.take(1, many, 0, many.length, 1000, 100)
finish(Lane.held, PageVerdict.unchanged)
// Requests of 8 KiB, all of them in one validation.
const long = frameOf(
  getRequest(
    's',
    Array.from({ length: 1024 }, (_, at) => BigInt(at)),
  ),
  4000,
)
tier.take(1, long, 0, long.length, 4000, 100)
finish(Lane.held, PageVerdict.unchanged)
// Frames shrink at the next flush.
tier.take(1, one, 0, one.length, 1, 100)
finish(Lane.held, PageVerdict.unchanged)
// What is garbage is found in several turns, and given back by another thread.
let kept = Number.POSITIVE_INFINITY
for (let turn = 0; turn < 20; turn++) {
  globalThis.gc?.()
  await delay(100)
  kept = Math.min(kept, anonymousBytes() - before - long.length)
}
process.stdout.write(JSON.stringify({ kept }))
tier.close()
