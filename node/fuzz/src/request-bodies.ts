/** Bodies of the operations of the data port, by their grammar (protocol/src/client-messages.ts). */
import {
  ByteWriter,
  blockOf,
  encodeSeries,
  MAX_GET_IDS,
  MAX_PAGE_VERSIONS,
  MAX_SERIES_BYTES,
  MAX_VALIDATE_ITEMS,
  MAX_VALIDATE_PAGES,
  MAX_VALUE_BYTES,
  MAX_WRITE_OPS,
  NOTHING_HELD,
  Operation,
} from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import { anyId, anyNumber, mutate, nearLimit, orWrong, putId, someBytes } from './numbers.ts'

export const SLICE_MS = 1000
/** Slices that the content of fillEngine spans. */
export const FILLED_SLICES = 12
export const NAMES: readonly Uint8Array[] = Array.from({ length: 12 }, (_, at) => encodeSeries(`a-series-of-the-fuzzer-${at}`))
const REQUEST_IDS = 64

export const OPERATIONS: readonly number[] = Object.values(Operation)

export const filledId = (random: Random): bigint => BigInt(random.below(FILLED_SLICES) * SLICE_MS + random.below(20)) << 16n

const id = (random: Random): bigint => (random.chance(0.8) ? filledId(random) : anyId(random))

const slice = (random: Random): number => (random.chance(0.8) ? random.below(FILLED_SLICES) : anyNumber(random, 48))

export function anySeries(random: Random): Uint8Array {
  return random.chance(0.95) ? random.pick(NAMES) : someBytes(random, nearLimit(random, MAX_SERIES_BYTES))
}

function putSeries(random: Random, w: ByteWriter, series: Uint8Array): void {
  w.u16(orWrong(random, series.length, 16))
  w.put(series)
}

/** Mostly a few; seldom as many as there may be. */
const countOf = (random: Random, most: number): number =>
  random.chance(0.002) ? nearLimit(random, most) : random.chance(0.95) ? 1 + random.below(4) : 0

export const anyRequestId = (random: Random): Uint8Array => new Uint8Array(16).fill(random.below(REQUEST_IDS))

/** A value, seldom of the longest. */
export function anyValue(random: Random): Uint8Array {
  return random.chance(0.0005) ? someBytes(random, nearLimit(random, MAX_VALUE_BYTES)) : someBytes(random, random.below(40))
}

function writeBody(random: Random, w: ByteWriter): void {
  w.put(anyRequestId(random))
  w.u48(anyNumber(random, 48))
  putSeries(random, w, anySeries(random))
  const ops = countOf(random, MAX_WRITE_OPS)
  w.u16(orWrong(random, ops, 16))
  for (let op = 0; op < ops; op++) {
    const value = anyValue(random)
    w.u8(orWrong(random, 1 + random.below(3), 8))
    w.u8(orWrong(random, random.below(3), 8))
    w.u48(anyNumber(random, 48))
    putId(w, id(random))
    w.u32(orWrong(random, value.length, 32))
    w.put(value)
  }
}

function getBody(random: Random, w: ByteWriter): void {
  putSeries(random, w, anySeries(random))
  const ids = countOf(random, MAX_GET_IDS)
  w.u16(orWrong(random, ids, 16))
  for (let at = 0; at < ids; at++) putId(w, id(random))
}

function scanBody(random: Random, w: ByteWriter): void {
  putSeries(random, w, anySeries(random))
  const ends = [id(random), id(random)].sort((a, b) => (a < b ? -1 : 1))
  if (random.chance(0.05)) ends.reverse()
  for (const end of ends) putId(w, end)
  w.u32(random.chance(0.5) ? 1 + random.below(30) : anyNumber(random, 32))
  w.u8(orWrong(random, random.below(2), 8))
}

function stampsBody(random: Random, w: ByteWriter): void {
  const blocks = countOf(random, 65_535)
  w.u16(orWrong(random, blocks, 16))
  for (let at = 0; at < blocks; at++) w.u16(anyNumber(random, 16))
}

function pageVersionsBody(random: Random, w: ByteWriter): void {
  putSeries(random, w, anySeries(random))
  const slices = countOf(random, MAX_PAGE_VERSIONS)
  w.u16(orWrong(random, slices, 16))
  for (let at = 0; at < slices; at++) w.u48(slice(random))
}

function validateBody(random: Random, w: ByteWriter): void {
  w.u32(random.chance(0.9) ? 0 : anyNumber(random, 32))
  const items = random.chance(0.002) ? nearLimit(random, MAX_VALIDATE_ITEMS) : 1 + random.below(4)
  w.u8(orWrong(random, items === 1 ? random.below(2) : 0, 8))
  w.u16(orWrong(random, items, 16))
  for (let at = 0; at < items; at++) {
    const series = anySeries(random)
    w.u16(orWrong(random, blockOf(series), 16))
    putSeries(random, w, series)
    const pages = random.chance(0.01) ? nearLimit(random, MAX_VALIDATE_PAGES) : 1 + random.below(4)
    w.u8(orWrong(random, pages, 8))
    for (let page = 0; page < pages; page++) {
      // The last number stands for the directory.
      w.u48(random.chance(0.2) ? 2 ** 48 - 1 : slice(random))
      w.u48(random.chance(0.3) ? NOTHING_HELD : anyNumber(random, random.pick([4, 8, 48])))
    }
  }
}

function topologyBody(random: Random, w: ByteWriter): void {
  w.u32(anyNumber(random, 32))
  // A long poll would be answered after the fuzzer has gone on.
  w.u32(random.below(3))
}

const BODIES: Readonly<Record<number, (random: Random, w: ByteWriter) => void>> = {
  [Operation.write]: writeBody,
  [Operation.get]: getBody,
  [Operation.scan]: scanBody,
  [Operation.stamps]: stampsBody,
  [Operation.pageVersions]: pageVersionsBody,
  [Operation.topology]: topologyBody,
  [Operation.validate]: validateBody,
}

/** A body of the operation: by its grammar, with fields that lie now and then, or mutated. Of no operation: any bytes. */
export function bodyOf(random: Random, operation: number): Uint8Array {
  const w = new ByteWriter(256)
  const write = BODIES[operation]
  if (write === undefined) return someBytes(random, random.below(100))
  write(random, w)
  return mutate(random, w.copy())
}
