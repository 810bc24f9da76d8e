/** A scan in memory that comes to the end of a table says that it needs the disk, if the next table is not in memory. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { flush, putAt } from './copy.fixture.ts'
import { NEEDS_IO, openEngine } from './mod.ts'
import { readScan, scanRequest } from './model.ts'

const BLOCK = 7
const RECORDS = 12
const TABLES = 3
const VALUE = new Uint8Array(64 * 1024).fill(7)
const idOf = (number: number): bigint => BigInt(number + 1) << 16n

test('no record behind the end of a table is missed, whatever of the next one is in memory', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-borders-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const open = () =>
    openEngine({
      path: join(folder, 'engine'),
      incarnation: 'x',
      sliceDurationMs: 86_400_000,
      memtableBytes: 64 << 20,
      blockCacheBytes: 64 << 20,
      versionCacheBytes: 1 << 20,
    })
  const first = open()
  for (let table = 0; table < TABLES; table++) {
    for (let at = 0; at < RECORDS; at++) {
      const number = table * RECORDS + at
      await putAt(first, BLOCK, number, [idOf(number)], VALUE)
    }
    await flush(first)
  }
  await first.close()
  const engine = open()
  const out = new Uint8Array(2 << 20)
  for (const reverse of [false, true]) {
    const series = `series of ${BLOCK}`
    for (let step = 0; step < RECORDS * TABLES; step++) {
      const number = reverse ? RECORDS * TABLES - 1 - step : step
      const [from, to] = reverse ? [idOf(0), idOf(number)] : [idOf(number), idOf(RECORDS * TABLES - 1)]
      const wanted = reverse ? number + 1 : RECORDS * TABLES - number
      // One record from the disk: the table that holds it is in memory, at least in part, and the next one is not.
      const alone = scanRequest(series, reverse ? idOf(number) : from, reverse ? to : idOf(number), 1, reverse)
      await engine.scanAsync(BLOCK, alone, 0, alone.length)
      const request = scanRequest(series, from, to, 0, reverse)
      const length = engine.scan(BLOCK, request, 0, request.length, out, 0)
      if (length === NEEDS_IO) continue
      const { records, more } = readScan(out.slice(0, length))
      assert.ok(more || records.length === wanted, `${records.length} of ${wanted} records from ${number} on`)
    }
  }
  await engine.close()
})
