/**
 * Parts of snapshots, whose rows, lengths and checksums are right or wrong: a batch is installed whole and with the digests that its
 * positions say, or refused as damage of the peer, and then nothing of it is there.
 */
import assert from 'node:assert/strict'
import { ByteWriter, blockOf } from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import { openBatch, readParts } from '../../src/engine/copy.fixture.ts'
import { type OpenedEngine, openEngine } from '../../src/engine/mod.ts'
import { XXH3_LEAST, XXH3_MOST, xxh3 } from '../../src/xxh3.fixture.ts'
import { engineOptions, flush, openFilledEngine, putRecords } from './filled-engine.ts'
import { mutate, orWrong, someBytes } from './numbers.ts'
import { expectCode, type Protocol, type Target } from './protocol.ts'
import { NAMES } from './request-bodies.ts'

const HEAD_BYTES = 9
const CHECK_BYTES = 8
const TRAILER = 255
/** Blocks of a batch. */
const SOURCES = 2

interface Row {
  readonly family: number
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** The rows of parts that a source has sent. */
function rowsOf(parts: readonly Uint8Array[]): Row[] {
  const rows: Row[] = []
  for (const part of parts) {
    const view = new DataView(part.buffer, part.byteOffset, part.byteLength)
    for (let at = HEAD_BYTES; at < part.length - CHECK_BYTES; ) {
      const family = part[at] as number
      if (family === TRAILER) break
      const keyAt = at + 7
      const valueAt = keyAt + view.getUint16(at + 1, true)
      at = valueAt + view.getUint32(at + 3, true)
      rows.push({ family, key: part.slice(keyAt, valueAt), value: part.slice(valueAt, at) })
    }
  }
  return rows
}

class Snapshots implements Target {
  private readonly random: Random
  private readonly source: OpenedEngine
  private readonly target: OpenedEngine
  private readonly blocks: readonly number[]
  private readonly whole: readonly Uint8Array[]
  private readonly rows: readonly Row[]

  constructor(random: Random, source: OpenedEngine, target: OpenedEngine, blocks: readonly number[], whole: readonly Uint8Array[]) {
    this.random = random
    this.source = source
    this.target = target
    this.blocks = blocks
    this.whole = whole
    this.rows = rowsOf(whole)
  }

  /** A part of these rows, whose head and checksum are right, unless it is mutated. */
  private part(sequence: number, payload: Uint8Array): Uint8Array {
    const { random } = this
    const w = new ByteWriter(payload.length + 32)
    w.u8(orWrong(random, 2, 8))
    w.u32(orWrong(random, sequence, 32))
    w.u32(orWrong(random, payload.length, 32))
    w.put(random.chance(0.9) ? payload : mutate(random, payload))
    const checked = w.length
    w.claim(CHECK_BYTES)
    if (checked >= XXH3_LEAST && checked <= XXH3_MOST) w.view.setBigUint64(checked, xxh3(w.bytes.subarray(0, checked)), true)
    return w.copy()
  }

  private payloadOf({ family, key, value }: Row): Uint8Array {
    const { random } = this
    const w = new ByteWriter(128)
    w.u8(orWrong(random, family, 8))
    w.u16(orWrong(random, key.length, 16))
    w.u32(orWrong(random, value.length, 32))
    w.put(key)
    w.put(value)
    return w.copy()
  }

  /** Rows of the source, of which some are changed, taken out, repeated, in another order, or made up. */
  private someRows(): Row[] {
    const { random } = this
    const rows = [...this.rows]
    for (let changes = 1 + random.below(2); changes > 0; changes--) {
      // The first rows decide most.
      const at = random.below(random.chance(0.5) ? Math.min(8, rows.length) : rows.length)
      const row = rows[at] as Row
      const other = random.below(rows.length)
      switch (random.below(6)) {
        case 0:
          rows.splice(at, 1)
          break
        case 1:
          rows.splice(at, 0, row)
          break
        case 2:
          rows[at] = rows[other] as Row
          rows[other] = row
          break
        case 3:
          rows[at] = { ...row, key: mutate(random, row.key) }
          break
        case 4:
          rows[at] = { ...row, value: mutate(random, row.value) }
          break
        default:
          rows.splice(at, 0, {
            family: random.below(4),
            key: someBytes(random, random.below(20)),
            value: someBytes(random, random.below(60)),
          })
      }
    }
    return rows
  }

  async run(): Promise<void> {
    const { random, target, blocks } = this
    const rows = this.someRows()
    const before = blocks.map((block) => target.digest(block))
    const install = await target.installBegin(blocks)
    try {
      let sequence = 0
      for (const row of rows) await target.installPart(install, this.part(sequence++, this.payloadOf(row)))
      const trailer = new ByteWriter(9)
      trailer.u8(TRAILER)
      trailer.u32(orWrong(random, rows.length, 32))
      trailer.u32(0)
      // A part that is checked here has 17 bytes at least.
      await target.installPart(install, this.part(sequence, trailer.copy()))
      await target.installEnd(install)
      assert.deepEqual(
        blocks.map((block) => target.digest(block)),
        blocks.map((block) => this.source.digest(block)),
      )
    } catch (error) {
      expectCode(error, 'corrupt', 'unsupported_version')
      await target.installAbort(install)
      assert.deepEqual(
        blocks.map((block) => target.digest(block)),
        before,
        'nothing of a refused batch is there',
      )
    }
  }

  /** The batch as the source has sent it is installed. */
  async check(): Promise<void> {
    const install = await this.target.installBegin(this.blocks)
    for (const part of this.whole) await this.target.installPart(install, part)
    await this.target.installEnd(install)
    for (const block of this.blocks) assert.equal(this.target.digest(block), this.source.digest(block))
  }

  async close(): Promise<void> {
    await this.source.close()
    await this.target.close()
  }
}

async function open(random: Random): Promise<Target> {
  const source = openEngine(engineOptions)
  const series = NAMES.slice(0, SOURCES).toSorted((a, b) => blockOf(a) - blockOf(b))
  for (const name of series) {
    for (const slice of [0, 3]) await putRecords(source, name, [BigInt(slice * 1000 + 1) << 16n], someBytes(random, 5))
  }
  await flush(source)
  const blocks = series.map(blockOf)
  // One row a part: a checksum is made anew of short ones alone.
  const whole = await readParts(source, await openBatch(source, blocks), () => 1)
  const target = random.chance(0.5) ? await openFilledEngine() : openEngine(engineOptions)
  return new Snapshots(random, source, target, blocks, whole)
}

export const snapshots: Protocol = { name: 'snapshots', weight: 6, inputsPerRun: 1, runsPerEpisode: 500, open }
