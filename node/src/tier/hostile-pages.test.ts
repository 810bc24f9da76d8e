/**
 * Pages from outside the process whose checksum is right and whose structure is not: handed over by a peer, found in the cache's file,
 * sent as an answer to a validation. None is taken, and whatever is asked afterwards is answered from pages that are whole. A read
 * past the end of a page ends this process.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ByteWriter, DIRECTORY_SLICE, encodeSeries, NOTHING_HELD, Operation, PageVerdict, placementOf } from '@thermocline/protocol'
import { getRequest, scanRequest } from '../engine/model.ts'
import { FUZZ_SEED, mutate, random } from '../server/hostile-bytes.fixture.ts'
import { writeRequest } from '../server/raw-client.fixture.ts'
import { contentOf, directoryOf, ENTRY_BYTES, ENTRY_MAGIC, type HotPage, hotPage, seal } from './hot-page.fixture.ts'
import { LANES, Lane, RINGS, Tier } from './tier.ts'

const SLICE_MS = 1000
const SLICE = 3
const VERSION = 9
const MUTATIONS = 1000
const FILE_MUTATIONS = 1000
const name = 'a-series-of-some-length'
const series = encodeSeries(name)
const folder = mkdtempSync(join(tmpdir(), 'hostile-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const idAt = (ms: number): bigint => BigInt(SLICE * SLICE_MS + ms) << 16n
const value = (length: number): Uint8Array => new Uint8Array(length).fill(7)

function open(changes: { path?: string; boot?: number } = {}): Tier {
  const tier = new Tier({ owner: 'o', cacheBytes: 2 << 20, boot: 1, sliceDurationMs: SLICE_MS, restoreGeneration: 0, ...changes })
  tier.setOwners(placementOf(1).owner, 1)
  return tier
}

const records = contentOf(
  [
    { id: idAt(1), value: value(5) },
    { id: idAt(2), value: value(6) },
  ],
  VERSION,
)
const page: HotPage = { series, slice: SLICE, version: VERSION, count: 2, content: records }
const directory: HotPage = {
  series,
  slice: DIRECTORY_SLICE,
  version: VERSION,
  kind: 1,
  count: 2,
  content: directoryOf([SLICE, 1]),
}

/** Asks for everything that the pages could be asked for, and answers whatever is asked of the storage tier: that nothing has changed. */
function readAll(tier: Tier): void {
  const frame = new ByteWriter(1024)
  let requests = 0
  const ask = (operation: number, body: Uint8Array) => writeRequest(frame, requests++, operation, body)
  ask(Operation.get, getRequest(name, [idAt(1), idAt(2), idAt(999)]))
  ask(Operation.get, getRequest(name, [1n << 16n]))
  for (const reverse of [false, true]) ask(Operation.scan, scanRequest(name, 1n, 2n ** 64n - 2n, 100, reverse))
  tier.take(1, frame.bytes, 0, frame.length, requests, 100)
  for (let turn = 0; turn < 8; turn++) {
    for (let lane = 0; lane < LANES; lane++) {
      const begun = tier.begin(0, lane, 100)
      if (begun === undefined) continue
      const body = new DataView(begun.body.buffer, begun.body.byteOffset)
      const answer = new ByteWriter(256)
      const items = body.getUint16(5, true)
      answer.u16(items)
      let at = 7
      for (let item = 0; item < items; item++) {
        answer.u8(0)
        answer.u48(VERSION + 1)
        at += 4 + body.getUint16(at + 2, true)
        for (let left = body.getUint8(at++); left > 0; left--, at += 12) {
          const isHeld = body.getUint32(at + 6, true) + body.getUint16(at + 10, true) * 2 ** 32 !== NOTHING_HELD
          const isDirectory = body.getUint32(at, true) + body.getUint16(at + 4, true) * 2 ** 32 === DIRECTORY_SLICE
          if (isHeld) answer.u8(PageVerdict.unchanged)
          else if (!isDirectory) answer.u8(PageVerdict.absent)
          else {
            answer.u8(PageVerdict.page)
            answer.u48(VERSION)
            answer.u32(0)
          }
        }
      }
      tier.finish(begun.number, answer.copy(), 100)
    }
  }
  for (const connection of tier.dirty()) tier.flush(connection, 1)
  assert.equal(tier.stats().waiting, 0)
}

test('whole pages are taken', () => {
  const tier = open()
  assert.equal(tier.putHot(hotPage(page), 100), 1)
  assert.equal(tier.putHot(hotPage(directory), 100), 1)
  assert.equal(tier.putHot(hotPage({ ...page, slice: 4, kind: 2, count: 0, content: new Uint8Array(0) }), 100), 1)
  assert.equal(tier.putHot(hotPage({ ...page, slice: 5, version: 0, count: 0, content: new Uint8Array(0) }), 100), 1)
  readAll(tier)
  const { unchanged, page: fetched } = tier.stats()
  assert.ok(unchanged > 0)
  assert.equal(fetched, 0, 'the directory is held, too')
  tier.close()
})

const two = (changes: { first?: object; second?: object }) =>
  contentOf(
    [
      { id: idAt(1), value: value(5), ...changes.first },
      { id: idAt(2), value: value(6), ...changes.second },
    ],
    VERSION,
  )
const patched = (at: number, number: number): Uint8Array => {
  const content = records.slice()
  new DataView(content.buffer).setUint32(at, number, true)
  return content
}

const wrong: readonly [string, HotPage][] = [
  ['more records than it has bytes', { ...page, count: 0x2000_0000 }],
  ['a record too many', { ...page, count: 3 }],
  ['a record too few', { ...page, count: 1 }],
  ['an offset past its end', { ...page, content: patched(4, 0x7fff_ffff) }],
  ['an offset into another record', { ...page, content: patched(4, 4) }],
  ['a first record that does not begin at once', { ...page, content: patched(0, 1) }],
  ['a value past its end', { ...page, content: patched(8 + 14, 0x7fff_ffff) }],
  ['ids out of order', { ...page, content: two({ first: { id: idAt(3) } }) }],
  ['an id twice', { ...page, content: two({ second: { id: idAt(1) } }) }],
  ['an id of another slice', { ...page, content: two({ second: { id: idAt(1000) } }) }],
  ['a record newer than the page', { ...page, content: two({ second: { version: VERSION + 1 } }) }],
  ['a record of version 0', { ...page, content: two({ first: { version: 0 } }) }],
  ['records and version 0', { ...page, version: 0, content: two({}) }],
  ['a version and no records', { ...page, count: 0, content: new Uint8Array(0) }],
  ['the version that stands for none', { ...page, version: NOTHING_HELD }],
  ['a block that is not its series’', { ...page, block: 1 }],
  ['no name', { ...page, series: new Uint8Array(0), block: 0 }],
  ['an unknown kind', { ...page, kind: 3 }],
  ['records in a directory', { ...page, slice: DIRECTORY_SLICE }],
  ['slices in a page', { ...directory, slice: SLICE }],
  ['slices out of order', { ...directory, content: directoryOf([1, SLICE]) }],
  ['a slice twice', { ...directory, content: directoryOf([SLICE, SLICE]) }],
  ['a directory in a directory', { ...directory, content: directoryOf([DIRECTORY_SLICE, 1]) }],
  ['fewer slices than it has bytes', { ...directory, count: 1 }],
  ['more slices than it has bytes', { ...directory, count: 0x2aaa_aaaa }],
  ['content of a large page', { ...page, kind: 2 }],
]

for (const [what, made] of wrong) {
  test(`a peer's page is not taken: ${what}`, () => {
    const tier = open()
    assert.throws(() => tier.putHot(hotPage(made), 100), { code: 'bad_frame' })
    readAll(tier)
    tier.close()
  })
}

test(`mutations of pages with checksums that are right, seed ${FUZZ_SEED}`, () => {
  let taken = 0
  let refused = 0
  for (let round = 0; round < MUTATIONS; round++) {
    const tier = open()
    const bytes = mutate(hotPage(random(2) === 0 ? page : directory))
    seal(bytes)
    try {
      taken += tier.putHot(bytes, 100)
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'bad_frame')
      refused++
    }
    readAll(tier)
    tier.close()
  }
  assert.ok(taken > 0 && refused > 0, `${taken} taken, ${refused} refused`)
})

test(`mutations of the cache's file, entries of it sealed again, seed ${FUZZ_SEED}`, () => {
  const path = join(folder, 'file')
  const kept = open({ path })
  kept.putHot(hotPage(page), 100)
  kept.putHot(hotPage(directory), 100)
  kept.close()
  const file = readFileSync(path)
  const entries = [...file.keys()].filter((at) => at > 0 && at % 8 === 0 && at + 4 <= file.length && file.readUInt32LE(at) === ENTRY_MAGIC)
  assert.equal(entries.length, 2)
  const used = [...file.keys()].filter((at) => file[at] !== 0)
  let torn = 0
  for (let round = 0; round < FILE_MUTATIONS; round++) {
    const damaged = Buffer.from(file)
    const at = entries[random(2)] as number
    for (let times = 1 + random(3); times > 0; times--) {
      const where = random(3) === 0 ? (used[random(used.length)] as number) : at + random(ENTRY_BYTES + 80)
      damaged[where] = random(3) === 0 ? 255 : random(256)
    }
    for (const entry of entries) seal(damaged.subarray(entry, entry + 400))
    writeFileSync(path, damaged)
    const tier = open({ path, boot: 3 + 2 * round })
    readAll(tier)
    // Peers ask for any position.
    for (let ring = 0; ring < RINGS; ring += 9) tier.copyHot(ring, random(1000), placementOf(1).owner, 0)
    torn += tier.stats().rings.reduce((sum, ring) => sum + ring.torn, 0)
    tier.close()
  }
  assert.ok(torn > 0)
})

const ID = idAt(1)

/** What a validation of the page is answered with. */
function answerOf(write: (answer: ByteWriter) => void): Uint8Array {
  const answer = new ByteWriter(256)
  answer.u16(1)
  write(answer)
  return answer.copy()
}

function record(answer: ByteWriter, id: bigint, version: number, bytes: Uint8Array): void {
  const at = answer.claim(8)
  answer.view.setBigUint64(at, id)
  answer.u48(version)
  answer.u32(bytes.length)
  answer.put(bytes)
}

function verdict(answer: ByteWriter, kind: number, version?: number, count?: number): void {
  answer.u8(0)
  answer.u48(VERSION)
  answer.u8(kind)
  if (version !== undefined) answer.u48(version)
  if (count !== undefined) answer.u32(count)
}

const wholeAnswer = answerOf((answer) => {
  verdict(answer, PageVerdict.page, VERSION, 2)
  record(answer, ID, 3, value(4))
  record(answer, idAt(2), VERSION, value(5))
})

const wrongAnswers: readonly [string, Uint8Array][] = [
  ['a state that is not known', answerOf((answer) => answer.u8(2))],
  ['a verdict that is not known', answerOf((answer) => verdict(answer, 5))],
  ['unchanged, of what is not held', answerOf((answer) => verdict(answer, PageVerdict.unchanged))],
  ['a version above what is applied', answerOf((answer) => verdict(answer, PageVerdict.large, VERSION + 1))],
  ['a page of version 0', answerOf((answer) => verdict(answer, PageVerdict.page, 0, 0))],
  ['a page without records', answerOf((answer) => verdict(answer, PageVerdict.page, VERSION, 0))],
  ['more records than there are', answerOf((answer) => verdict(answer, PageVerdict.page, VERSION, 0xffff_ffff))],
  [
    'ids out of order',
    answerOf((answer) => {
      verdict(answer, PageVerdict.page, VERSION, 2)
      for (const ms of [2, 1]) record(answer, idAt(ms), VERSION, value(4))
    }),
  ],
  [
    'an id of another slice',
    answerOf((answer) => {
      verdict(answer, PageVerdict.page, VERSION, 1)
      record(answer, 1n, VERSION, value(4))
    }),
  ],
  [
    'a record newer than its page',
    answerOf((answer) => {
      verdict(answer, PageVerdict.page, VERSION - 1, 1)
      record(answer, ID, VERSION, value(4))
    }),
  ],
]

function ask(tier: Tier, lane: number): number {
  const frame = new ByteWriter(256)
  writeRequest(frame, 1, Operation.get, getRequest(name, [ID]))
  tier.take(1, frame.bytes, 0, frame.length, 1, 100)
  return (tier.begin(0, lane, 100) as { number: number }).number
}

test('an answer that is whole is taken, and one that is not ends its validation', () => {
  const tier = open()
  for (const [what, answer] of wrongAnswers) {
    assert.throws(() => tier.finish(ask(tier, Lane.missing), answer, 100), { code: 'bad_frame' }, what)
    assert.equal(tier.stats().waiting, 0)
  }
  tier.finish(ask(tier, Lane.missing), wholeAnswer, 100)
  tier.finish(
    ask(tier, Lane.held),
    answerOf((answer) => verdict(answer, PageVerdict.unchanged)),
    100,
  )
  tier.close()
})

test('a directory whose slices are out of order, or that is called absent, ends its validation', () => {
  const tier = open()
  const askScan = (): number => {
    const frame = new ByteWriter(256)
    writeRequest(frame, 1, Operation.scan, scanRequest(name, 0n, 2n ** 64n - 1n, 10, true))
    tier.take(1, frame.bytes, 0, frame.length, 1, 100)
    return (tier.begin(0, Lane.missing, 100) as { number: number }).number
  }
  const slices = (answer: ByteWriter, kind: number, list: readonly number[]) => {
    verdict(answer, kind, VERSION, list.length)
    for (const slice of list) answer.u48(slice)
  }
  for (const answer of [
    answerOf((made) => verdict(made, PageVerdict.absent)),
    answerOf((made) => slices(made, PageVerdict.page, [1, 2])),
    answerOf((made) => slices(made, PageVerdict.page, [DIRECTORY_SLICE, 2])),
    answerOf((made) => slices(made, PageVerdict.records, [2, 1])),
  ])
    assert.throws(() => tier.finish(askScan(), answer, 100), { code: 'bad_frame' })
  tier.finish(
    askScan(),
    answerOf((made) => slices(made, PageVerdict.page, [2, 1])),
    100,
  )
  tier.close()
})

test(`mutations of answers to validations, seed ${FUZZ_SEED}`, () => {
  const tier = open()
  let refused = 0
  for (let round = 0; round < MUTATIONS; round++) {
    const frame = new ByteWriter(256)
    writeRequest(frame, 1, Operation.get, getRequest(name, [ID]))
    tier.take(1, frame.bytes, 0, frame.length, 1, 100)
    for (let lane = 0; lane < LANES; lane++) {
      const begun = tier.begin(0, lane, 100)
      if (begun === undefined) continue
      try {
        tier.finish(begun.number, mutate(wholeAnswer), 100)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'bad_frame')
        refused++
      }
    }
    if (round % 10 === 0) readAll(tier)
  }
  assert.ok(refused > 0)
  tier.close()
})
