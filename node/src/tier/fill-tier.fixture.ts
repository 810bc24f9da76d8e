/** A process that fills a memory tier's cache in the file argv[2] with argv[3] pages, and prints what it grew by and what is held. */
import { ByteWriter, Operation, placementOf } from '@thermocline/protocol'
import { getRequest } from '../engine/model.ts'
import { writeRequest } from '../server/raw-client.fixture.ts'
import { anonymousBytes, writePageAnswer } from './process-memory.fixture.ts'
import { Lane, Tier } from './tier.ts'

const [path, pages, cacheBytes] = [process.argv[2] as string, Number(process.argv[3]), Number(process.argv[4])]
const VALUE_BYTES = 40
const PER_FRAME = 64

const value = new Uint8Array(VALUE_BYTES).fill(7)
const id = 1n << 16n

/** Asks for pages that are not held, and answers for the storage tier: each has one record. */
function fill(tier: Tier, first: number): void {
  const request = new ByteWriter(PER_FRAME * 64)
  const answer = new ByteWriter(PER_FRAME * (VALUE_BYTES + 64))
  answer.u16(PER_FRAME)
  for (let page = first; page < first + PER_FRAME; page++) {
    writeRequest(request, page, Operation.get, getRequest(`series-${page}`, [id]))
    writePageAnswer(answer, id, value)
  }
  const frame = request.written()
  tier.take(1, frame, 0, frame.length, PER_FRAME, 100)
  const begun = tier.begin(0, Lane.missing, 100)
  tier.finish((begun as { number: number }).number, answer.written(), 100)
  for (const connection of tier.dirty()) tier.flush(connection, 1)
}

const tier = new Tier({ path, owner: 'o', cacheBytes, boot: 1, sliceDurationMs: 1000, restoreGeneration: 0 })
tier.setOwners(placementOf(1).owner, 1)
const before = anonymousBytes()
for (let page = 0; page < pages; page += PER_FRAME) fill(tier, page)
const grown = anonymousBytes() - before
const { rings } = tier.stats()
const evictions = rings.reduce((sum, ring) => sum + ring.evictions, 0)
process.stdout.write(JSON.stringify({ grown, pages: pages - evictions, bytes: rings.reduce((sum, { bytes }) => sum + bytes, 0) }))
tier.close()
