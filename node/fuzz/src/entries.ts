/**
 * Entries, as a peer or a log gives them: checked as before a vote, and then applied, unless they contradict what is stored: then the
 * block is broken, and no other one is. Some are applied that the check refuses.
 */
import assert from 'node:assert/strict'
import {
  ByteWriter,
  blockOf,
  ENTRY_CHECKED_FROM,
  encodeSeries,
  MAX_ENTRY_REQUESTS,
  MAX_WRITE_OPS,
  sealEntry,
  VALUE_ID_BYTES,
  writeEntryHeader,
} from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import { checkEntry, type OpenedEngine } from '../../src/engine/mod.ts'
import { checkEngine, openFilledEngine } from './filled-engine.ts'
import { anyId, anyNumber, mutate, nearLimit, orWrong, putId, someBytes } from './numbers.ts'
import { expectCode, type Protocol, type Target } from './protocol.ts'
import { anyRequestId, anySeries, anyValue, filledId, NAMES } from './request-bodies.ts'

const NO_HASH = new Uint8Array(8)
/** An answer for each request of an entry. */
const ANSWER_BYTES = 15

const countOf = (random: Random, most: number): number => (random.chance(0.002) ? nearLimit(random, most) : random.below(4))

/** One operation; what it says of the old record is wrong more often than not. */
function putOp(random: Random, w: ByteWriter): void {
  const isDelete = random.chance(0.3)
  const value = isDelete ? new Uint8Array(0) : anyValue(random)
  w.u8(orWrong(random, isDelete ? 2 : 1, 8))
  putId(w, random.chance(0.7) ? filledId(random) : anyId(random))
  const exists = random.chance(0.2)
  w.u8(orWrong(random, exists ? 1 : 0, 8))
  w.u32(exists ? orWrong(random, random.below(20), 32) : 0)
  w.put(exists ? someBytes(random, 8) : NO_HASH)
  w.u32(orWrong(random, value.length, 32))
  w.put(value)
}

function putRequest(random: Random, w: ByteWriter, series: Uint8Array): void {
  const outcome = random.chance(0.8) ? 0 : anyNumber(random, 8)
  w.put(anyRequestId(random))
  w.u48(random.chance(0.8) ? 0 : anyNumber(random, 48))
  w.u8(outcome)
  w.put(random.chance(0.5) ? NO_HASH : someBytes(random, 8))
  w.u16(orWrong(random, series.length, 16))
  w.put(series)
  const ops = outcome === 0 || random.chance(0.1) ? countOf(random, MAX_WRITE_OPS) : 0
  w.u16(orWrong(random, ops, 16))
  for (let op = 0; op < ops; op++) putOp(random, w)
}

/** An entry by its grammar, then mutated, with a checksum that is right more often than not. */
export function anyEntry(random: Random, series: Uint8Array, isFirst: boolean): Uint8Array {
  const w = new ByteWriter(512)
  const hasKey = random.chance(0.97) ? isFirst : !isFirst
  const horizon = random.chance(0.95) ? random.below(2) : anyNumber(random, 48)
  const countAt = writeEntryHeader(w, horizon, anyNumber(random, 48), hasKey ? someBytes(random, 16) : undefined)
  const requests = countOf(random, MAX_ENTRY_REQUESTS)
  w.patchU16(countAt, orWrong(random, requests, 16))
  for (let request = 0; request < requests; request++) putRequest(random, w, random.chance(0.99) ? series : anySeries(random))
  const bytes = mutate(random, w.copy())
  if (bytes.length <= ENTRY_CHECKED_FROM || random.chance(0.02)) return bytes
  const sealed = new ByteWriter(bytes.length)
  sealed.put(bytes)
  sealEntry(sealed)
  return sealed.copy()
}

class Entries implements Target {
  private readonly random: Random
  private readonly engine: OpenedEngine
  private readonly answers = new Uint8Array(ANSWER_BYTES * 65_536)
  /** A refused entry breaks its block: another name takes the place of its own. */
  private readonly names = [...NAMES]
  private nextName = 0

  constructor(random: Random, engine: OpenedEngine) {
    this.random = random
    this.engine = engine
  }

  run(): void {
    const { random, engine } = this
    // Most entries go to few blocks, one after the other.
    const series = this.names[random.below(NAMES.length)] as Uint8Array
    const block = random.chance(0.98) ? blockOf(series) : random.below(65_536)
    const applied = engine.appliedIndex(block)
    const index = random.chance(0.97) ? applied + 1 : anyNumber(random, 48)
    const entry = anyEntry(random, series, index === 1)
    const isSound = checkEntry(block, index, entry) === undefined
    if (!isSound && random.chance(0.8)) return
    const w = new ByteWriter(entry.length + 64)
    w.u32(orWrong(random, 1, 32))
    w.u16(block)
    w.u48(index)
    w.put(someBytes(random, VALUE_ID_BYTES))
    w.u8(random.below(2))
    w.u32(orWrong(random, entry.length, 32))
    w.put(entry)
    const isWhole = w.view.getUint32(0, true) === 1 && w.view.getUint32(4 + 2 + 6 + VALUE_ID_BYTES + 1, true) === entry.length
    try {
      const length = engine.apply(w.bytes, w.length, this.answers)
      if (length < 0) {
        assert.ok(engine.refusal().length > 0)
        this.names[this.names.indexOf(series)] = encodeSeries(`another series of the fuzzer ${this.nextName++}`)
      } else if (isWhole) assert.equal(engine.appliedIndex(block), index)
    } catch (error) {
      // A batch is this process's own: a wrong frame of it, or an index that is not the block's next, is a bug, and changes nothing.
      if (isWhole && index === applied + 1) throw error
      expectCode(error, 'bad_frame', 'internal')
    }
  }

  check(): Promise<void> {
    return checkEngine(this.engine)
  }

  close(): Promise<void> {
    return this.engine.close()
  }
}

export const entries: Protocol = {
  name: 'entries',
  weight: 15,
  inputsPerRun: 1,
  runsPerEpisode: 3000,
  open: async (random) => new Entries(random, await openFilledEngine()),
}
