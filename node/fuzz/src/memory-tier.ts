/**
 * The memory tier: requests of clients, answers to its validations, pages from other machines, and the file of its cache. What is wrong
 * is refused as `bad_frame`; nobody who waits is forgotten; and a page that is not whole is never served.
 */
import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  ByteReader,
  ByteWriter,
  DIRECTORY_SLICE,
  FrameDecoder,
  NOTHING_HELD,
  Operation,
  PageVerdict,
  placementOf,
  readBatchHead,
} from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import { writeRequest } from '../../src/server/raw-client.fixture.ts'
import { contentOf, directoryOf, ENTRY_MAGIC, type HotPage, hotPage, seal } from '../../src/tier/hot-page.fixture.ts'
import { LANES, RINGS, Tier } from '../../src/tier/tier.ts'
import { anyId, anyNumber, mutate, orWrong, putId, someBytes } from './numbers.ts'
import { expectCode, type Protocol, type Target } from './protocol.ts'
import { anySeries, bodyOf, FILLED_SLICES, NAMES, SLICE_MS } from './request-bodies.ts'
import { scratchFolder } from './scratch-folder.ts'

const OWNERS = placementOf(1).owner
const CACHE_BYTES = 1 << 20
const CONNECTIONS = 4
const NOW = 100
/** Versions are below this, mostly. */
const VERSIONS = 50
/** Validations that wait for an answer before all are answered. */
const TURNS = 8

const ASKED = [Operation.get, Operation.scan, Operation.get, Operation.scan, Operation.write, Operation.validate, 99]

function openTier(path: string, boot: number): Tier {
  const tier = new Tier({ path, owner: 'fuzz', cacheBytes: CACHE_BYTES, boot, sliceDurationMs: SLICE_MS, restoreGeneration: 0 })
  tier.setOwners(OWNERS, 1)
  return tier
}

/** Ids of one slice, in order unless chance has it otherwise. */
function idsOf(random: Random, slice: number): bigint[] {
  const ids = Array.from({ length: random.below(4) }, () => BigInt(slice * SLICE_MS + random.below(20)) << 16n)
  if (random.chance(0.05)) ids.push(anyId(random))
  return random.chance(0.95) ? [...new Set(ids)].sort((a, b) => (a < b ? -1 : 1)) : ids
}

export function anyHotPage(random: Random): Uint8Array {
  const series = anySeries(random)
  const version = random.chance(0.9) ? 1 + random.below(VERSIONS) : anyNumber(random, 48)
  let page: HotPage
  if (random.chance(0.3)) {
    const slices = Array.from({ length: random.below(5) }, () => random.below(FILLED_SLICES))
    const list = random.chance(0.9) ? [...new Set(slices)].sort((a, b) => b - a) : slices
    page = { series, slice: DIRECTORY_SLICE, version, kind: 1, count: orWrong(random, list.length, 32), content: directoryOf(list) }
  } else if (random.chance(0.1)) {
    page = { series, slice: random.below(FILLED_SLICES), version, kind: orWrong(random, 2, 16), count: 0, content: new Uint8Array(0) }
  } else {
    const slice = random.chance(0.95) ? random.below(FILLED_SLICES) : anyNumber(random, 48)
    const records = idsOf(random, slice % 2 ** 32).map((id) => ({
      id,
      version: orWrong(random, version, 48),
      value: someBytes(random, random.below(12)),
    }))
    page = { series, slice, version, count: orWrong(random, records.length, 32), content: contentOf(records, version) }
  }
  const bytes = hotPage(page)
  const made = random.chance(0.5) ? mutate(random, bytes) : bytes
  const copy = made.slice()
  if (random.chance(0.97)) seal(copy)
  return copy
}

/** The answer to a validation: a verdict on each page that it asks about, right or wrong. */
export function anyVerdicts(random: Random, body: Uint8Array): Uint8Array {
  const reader = new ByteReader(body)
  const w = new ByteWriter(256)
  reader.skip(5)
  const items = reader.u16()
  w.u16(orWrong(random, items, 16))
  for (let item = 0; item < items; item++) {
    reader.skip(2)
    reader.skip(reader.u16())
    const applied = VERSIONS + random.below(10)
    const isLater = random.chance(0.05)
    w.u8(orWrong(random, isLater ? 1 : 0, 8))
    if (!isLater) w.u48(orWrong(random, applied, 48))
    for (let left = reader.u8(); left > 0; left--) {
      const slice = reader.u48()
      const held = reader.u48()
      if (!isLater) putVerdict(random, w, slice, held)
    }
  }
  return mutate(random, w.copy())
}

function putVerdict(random: Random, w: ByteWriter, slice: number, held: number): void {
  const isHeld = held !== NOTHING_HELD
  const isDirectory = slice === DIRECTORY_SLICE
  const kinds = [PageVerdict.page, PageVerdict.large]
  if (isHeld) kinds.push(PageVerdict.unchanged as never)
  if (!isDirectory) kinds.push(PageVerdict.absent as never)
  if (isHeld && !isDirectory) kinds.push(PageVerdict.records as never)
  const kind = random.pick(kinds) as number
  w.u8(orWrong(random, kind, 8))
  if (kind === PageVerdict.unchanged || kind === PageVerdict.absent) return
  const version = isHeld && held < VERSIONS ? held + random.below(5) : 1 + random.below(VERSIONS)
  w.u48(orWrong(random, version, 48))
  if (kind === PageVerdict.large) return
  if (isDirectory) {
    const slices = [...new Set(Array.from({ length: random.below(5) }, () => random.below(FILLED_SLICES)))].sort((a, b) => b - a)
    w.u32(orWrong(random, slices.length, 32))
    for (const one of slices) w.u48(orWrong(random, one, 48))
    return
  }
  const ids = idsOf(random, slice % 2 ** 32)
  w.u32(orWrong(random, ids.length, 32))
  for (const id of ids) {
    const value = someBytes(random, random.below(12))
    putId(w, id)
    w.u48(orWrong(random, version, 48))
    w.u32(orWrong(random, value.length, 32))
    w.put(value)
  }
}

class MemoryTier implements Target {
  protected readonly random: Random
  protected tier: Tier
  protected boot = 1
  protected readonly path: string

  constructor(random: Random, path: string) {
    this.random = random
    this.path = path
    this.tier = openTier(path, this.boot)
  }

  run(): void {
    const { random } = this
    const kind = random.below(4)
    if (kind === 0) this.putHot()
    else this.ask(random.chance(0.9))
    if (kind === 3) this.tier.forget(random.below(CONNECTIONS))
  }

  private putHot(): void {
    const pages = Array.from({ length: 1 + this.random.below(2) }, () => anyHotPage(this.random))
    try {
      this.tier.putHot(Uint8Array.from(Buffer.concat(pages)), NOW)
    } catch (error) {
      expectCode(error, 'bad_frame')
    }
    if (!this.random.chance(0.02)) return
    this.tier.copyHot(this.random.below(RINGS), anyNumber(this.random, 48), OWNERS, 0)
  }

  /** Some requests of a connection, as a frame has them behind its head; then all validations that they wait for. */
  protected ask(isHostile: boolean): void {
    const { random, tier } = this
    const frame = new ByteWriter(512)
    const requests = random.below(5)
    for (let at = 0; at < requests; at++) {
      const operation = random.pick(ASKED)
      writeRequest(frame, at, operation, bodyOf(random, operation))
    }
    const from = random.below(3)
    const bytes = isHostile && random.chance(0.1) ? mutate(random, frame.copy()) : frame.copy()
    const count = isHostile ? orWrong(random, requests, 12) : requests
    try {
      tier.take(random.below(CONNECTIONS), Uint8Array.from(Buffer.concat([new Uint8Array(from), bytes])), from, bytes.length, count, NOW)
    } catch (error) {
      expectCode(error, 'bad_frame')
    }
    this.answerAll(isHostile)
  }

  private answerAll(isHostile: boolean): void {
    const { random, tier } = this
    for (let turn = 0; turn < TURNS; turn++) {
      for (let lane = 0; lane < LANES; lane++) {
        const begun = tier.begin(0, lane, NOW)
        if (begun === undefined) continue
        if (random.chance(0.1) || turn === TURNS - 1 || !isHostile) {
          tier.fail(begun.number, 'unavailable', 'as the fuzzer says')
          continue
        }
        try {
          tier.finish(begun.number, anyVerdicts(random, begun.body), NOW)
        } catch (error) {
          expectCode(error, 'bad_frame')
        }
      }
    }
    // Figures of all rings cost more than the rest of a run.
    if (!isHostile || random.chance(0.01)) assert.equal(tier.stats().waiting, 0, 'somebody waits for what has been answered')
    const decoder = new FrameDecoder(new ByteReader(), (_type, reader) => {
      for (let { count } = readBatchHead(reader); count > 0; count--) {
        reader.skip(5)
        reader.skip(reader.u32())
      }
      reader.finish('responses')
    })
    for (const connection of tier.dirty()) decoder.push(tier.flush(connection, 1).slice())
  }

  /** A page that is whole is taken, and served. */
  check(): void {
    const id = BigInt(5 * SLICE_MS) << 16n
    const version = 1 + (this.boot % VERSIONS)
    const series = NAMES[0] as Uint8Array
    const content = contentOf([{ id, value: Uint8Array.of(9, 9, 9) }], version)
    const tier = openTier('', 1)
    assert.equal(tier.putHot(hotPage({ series, slice: 5, version, count: 1, content }), NOW), 1)
    tier.close()
    this.ask(false)
  }

  close(): void {
    this.tier.close()
  }
}

/** As before, where the cache's file is changed while no process has it. */
class CacheFile extends MemoryTier {
  override run(): void {
    const { random } = this
    for (let times = 1 + random.below(4); times > 0; times--) super.run()
    this.tier.close()
    this.damage()
    this.boot += random.chance(0.9) ? 2 : 0
    this.tier = openTier(this.path, this.boot)
    for (let asked = 0; asked < 3; asked++) this.ask(true)
    for (let ring = random.below(32); ring < RINGS; ring += 32) this.tier.copyHot(ring, anyNumber(random, random.pick([10, 48])), OWNERS, 0)
  }

  private damage(): void {
    const { random } = this
    const file = readFileSync(this.path)
    const entries: number[] = []
    for (let at = file.indexOf('PAGE'); at !== -1; at = file.indexOf('PAGE', at + 8))
      if (file.readUInt32LE(at) === ENTRY_MAGIC) entries.push(at)
    const out = openSync(this.path, 'r+')
    for (let times = random.below(4); times > 0; times--) {
      // An entry, the header, the index, or anywhere.
      const entry = entries.length > 0 && random.chance(0.6) ? random.pick(entries) : -1
      const at = entry >= 0 ? entry + random.below(140) : random.below(random.pick([1200, 1200, 1 << 16, file.length]))
      const bytes = random.pick([1, 2, 4, 6, 8])
      if (at + bytes > file.length) continue
      if (bytes < 6) file.writeUIntLE(anyNumber(random, 8 * bytes), at, bytes)
      else file.writeUIntLE(anyNumber(random, 48), at, 6)
      if (entry >= 0) seal(file.subarray(entry, entry + 400))
      writeSync(out, file, at, bytes, at)
      if (entry >= 0) writeSync(out, file, entry, Math.min(64, file.length - entry), entry)
    }
    closeSync(out)
  }
}

export const memoryTier: Protocol = {
  name: 'memory-tier',
  weight: 20,
  inputsPerRun: 1,
  runsPerEpisode: 5000,
  open: (random) => new MemoryTier(random, ''),
}

export const pageCacheFile: Protocol = {
  name: 'page-cache-file',
  weight: 1,
  inputsPerRun: 1,
  runsPerEpisode: 300,
  open: (random) => new CacheFile(random, join(scratchFolder(), 'pages')),
}
