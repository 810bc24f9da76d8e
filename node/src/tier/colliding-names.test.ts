/** Requests for two series whose names a public hash takes for the same, in one frame: each is asked about, and each gets its own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, ByteWriter, Operation, placementOf } from '@thermocline/protocol'
import { collidingNames } from '../engine/colliding-names.fixture.ts'
import { getRequest, readGet } from '../engine/model.ts'
import { writeRequest } from '../server/raw-client.fixture.ts'
import { writePageAnswer } from './process-memory.fixture.ts'
import { Lane, Tier } from './tier.ts'

const ID = 1n << 16n
const { first, second } = collidingNames()

/** Asks for a record of each, and answers the validation in the order of its series. */
function ask(tier: Tier, lane: number, answerOf: (writer: ByteWriter, at: number) => void): number[] {
  const frame = new ByteWriter(2048)
  for (const [correlation, series] of [first, second].entries()) writeRequest(frame, correlation, Operation.get, getRequest(series, [ID]))
  tier.take(1, frame.bytes, 0, frame.length, 2, 100)
  assert.equal(tier.waiting(0, lane), 2, 'neither joins the other')
  const begun = tier.begin(0, lane, 100)
  assert.ok(begun !== undefined)
  const answer = new ByteWriter(1024)
  answer.u16(2)
  answerOf(answer, 0)
  answerOf(answer, 1)
  tier.finish(begun.number, answer.copy(), 100)
  const reader = new ByteReader(tier.flush(1, 7).slice())
  tier.dirty()
  reader.skip(5 + 4 + 2)
  const values: number[] = []
  for (let left = 2; left > 0; left--) {
    const correlation = reader.u32()
    assert.equal(reader.u8(), 0)
    values[correlation] = readGet(reader.take(reader.u32()).slice(), [ID]).records[0]?.value[0] as number
  }
  return values
}

test('series with colliding names share neither a validation nor a page', () => {
  const tier = new Tier({ owner: 'o', cacheBytes: 8 << 20, boot: 1, sliceDurationMs: 1000, restoreGeneration: 0 })
  tier.setOwners(placementOf(1).owner, 1)
  const whole = (answer: ByteWriter, at: number) => writePageAnswer(answer, ID, Uint8Array.of(10 + at))
  const unchanged = (answer: ByteWriter) => {
    answer.u8(0)
    answer.u48(1)
    answer.u8(0)
  }
  assert.deepEqual(ask(tier, Lane.missing, whole), [10, 11])
  assert.deepEqual(ask(tier, Lane.held, unchanged), [10, 11])
  tier.close()
})
