/** The pages that a validation asks for may take more than an answer may: what is answered then, and what is to be asked for alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, ByteWriter, blockOf, encodeSeries, NOTHING_HELD, OpKind, PageVerdict } from '@thermocline/protocol'
import { createMemoryStore, type OpenedEngine, openEngine } from './mod.ts'
import { applyBatch, buildEntry, type ModelRequest, peek } from './model.ts'

const SLICE_MS = 1000
const MOST_BYTES = 6 * 1024 * 1024
const PAGES = 32
const VALUE_BYTES = 60_000
/** Each takes 1.9 MB: three of them fit. */
const LARGE = Array.from({ length: 7 }, (_, i) => `large-${i}`)
const SMALL = 'small'

const pagesOf = (series: string): number => (series === SMALL ? 1 : PAGES)

async function fill(engine: OpenedEngine, series: string): Promise<void> {
  const block = blockOf(encodeSeries(series))
  const value = new Uint8Array(VALUE_BYTES)
  const ops = Array.from({ length: PAGES }, (_, page) => ({ kind: OpKind.put, id: BigInt(page * SLICE_MS) << 16n, value }))
  const request: ModelRequest = { requestId: new Uint8Array(16), stamp: 0, outcome: 0, detail: new Uint8Array(8), series, ops }
  const { old } = await peek(engine, block, request)
  applyBatch(engine, [{ block, index: 1, entry: buildEntry(0, 0, [{ ...request, old }]) }])
}

function bodyOf(items: readonly string[]): Uint8Array {
  const body = new ByteWriter(4096)
  body.u32(0)
  body.u8(0)
  body.u16(items.length)
  for (const series of items) {
    const name = encodeSeries(series)
    body.u16(blockOf(name))
    body.u16(name.length)
    body.put(name)
    body.u8(pagesOf(series))
    for (let page = 0; page < pagesOf(series); page++) {
      body.u48(page)
      body.u48(NOTHING_HELD)
    }
  }
  return body.copy()
}

/** Asks for all their pages, and says of each series whether it was answered. */
function ask(engine: OpenedEngine, items: readonly string[]): boolean[] {
  const body = bodyOf(items)
  const validate = (out: Uint8Array): number => engine.validate(body, 0, body.length, new Float64Array(items.length), items.length, out)
  const out = new Uint8Array(MOST_BYTES)
  const written = validate(out)
  assert.ok(written > 0, 'an answer fits in what one may take')
  assert.equal(validate(new Uint8Array(1)), -2 - written, 'however small the buffer was')
  const reader = new ByteReader(out, 0, written)
  assert.equal(reader.u16(), items.length)
  const answered = items.map((series) => {
    if (reader.u8() === 1) return false
    reader.skip(6)
    for (let page = pagesOf(series); page > 0; page--) takePage(reader)
    return true
  })
  reader.finish('validation')
  return answered
}

function takePage(reader: ByteReader): void {
  if (reader.u8() === PageVerdict.absent) return
  reader.skip(6)
  assert.equal(reader.u32(), 1)
  reader.skip(14)
  assert.equal(reader.take(reader.u32()).length, VALUE_BYTES)
}

test('a validation whose pages pass one answer tells what fits; each of the rest is answered when it is asked for alone', async () => {
  const engine = openEngine(
    { sliceDurationMs: SLICE_MS, memtableBytes: 64 << 20, blockCacheBytes: 0, versionCacheBytes: 64 << 10, incarnation: 'c/0/1/0:abc' },
    createMemoryStore(),
  )
  for (const series of LARGE) await fill(engine, series)
  // The fourth is cut, and what is small still fits; after four that were cut nothing is looked at any more.
  const items = [...LARGE.slice(0, 4), SMALL, ...LARGE.slice(4), SMALL]
  assert.deepEqual(ask(engine, items), [true, true, true, false, true, false, false, false, false])
  for (const series of items) assert.deepEqual(ask(engine, [series]), [true])
  await engine.close()
})
