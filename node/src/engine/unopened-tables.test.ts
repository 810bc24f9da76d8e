/**
 * Reads of tables that RocksDB has not opened. It opens sixteen tables of a family at the start and the rest when a read
 * wants them; a read that may not wait for the disk must say so then, and not answer without the record.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { OpKind } from '@thermocline/protocol'
import { NEEDS_IO, type OpenedEngine, openEngine } from './mod.ts'
import {
  applyBatch,
  buildEntry,
  getRequest,
  pageVersionsRequest,
  peek,
  readBody,
  readGet,
  readPeek,
  readVersions,
  writeRequest,
} from './model.ts'

const DAY_MS = 86_400_000
const BLOCK = 1
const SERIES = 's'
/** Each in a table of its own: a slice is a range that no other overlaps, so that nothing is compacted. */
const TABLES = 40

const idOf = (table: number): bigint => BigInt(table * DAY_MS) << 16n

const requestOf = (table: number) => ({
  requestId: new Uint8Array(16).fill(table),
  stamp: 0,
  outcome: 0,
  detail: new Uint8Array(8),
  series: SERIES,
  ops: [{ kind: OpKind.put, id: idOf(table), value: new TextEncoder().encode(`value ${table}`) }],
})

async function fill(engine: OpenedEngine): Promise<void> {
  for (let table = 1; table <= TABLES; table++) {
    const request = requestOf(table)
    const { old } = await peek(engine, BLOCK, request)
    applyBatch(engine, [{ block: BLOCK, index: table, entry: buildEntry(0, 0, [{ ...request, old }]) }])
    engine.rotate()
    await engine.flush()
  }
}

test('a read that may not wait for the disk never answers from a table that is not open', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-tables-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const open = (): OpenedEngine =>
    openEngine({
      path: join(folder, 'store'),
      sliceDurationMs: DAY_MS,
      memtableBytes: 1 << 20,
      blockCacheBytes: 4 << 20,
      versionCacheBytes: 64 << 10,
      incarnation: 'cluster/0/1/0:abc',
    })
  const filled = open()
  await fill(filled)
  await filled.close()

  const engine = open()
  t.after(() => engine.close())
  const out = new Uint8Array(1024)
  const unanswered = { get: 0, pageVersions: 0, peek: 0 }
  for (let table = 1; table <= TABLES; table++) {
    const id = idOf(table)
    const get = getRequest(SERIES, [id])
    const isFound = (body: Uint8Array): void => {
      const [record] = readGet(body, [id]).records
      assert.deepEqual([record?.version, new TextDecoder().decode(record?.value)], [table, `value ${table}`])
    }
    const versions = pageVersionsRequest(SERIES, [table])
    const isKnown = (body: Uint8Array): void => assert.deepEqual(readVersions(body).versions, [table])
    const overwrite = writeRequest({ ...requestOf(table), requestId: new Uint8Array(16).fill(TABLES + table) })
    const isOld = (body: Uint8Array): void => assert.equal(readPeek(body, body.length).old[0]?.version, table)

    const got = engine.get(BLOCK, get, 0, get.length, out, 0)
    if (got === NEEDS_IO) unanswered.get++
    else isFound(out.slice(0, got))
    const peeked = engine.peek(BLOCK, overwrite, 0, overwrite.length, out)
    if (peeked === NEEDS_IO) unanswered.peek++
    else isOld(out.slice(0, peeked))
    const known = engine.pageVersions(BLOCK, versions, 0, versions.length, out, 0)
    if (known === NEEDS_IO) unanswered.pageVersions++
    else isKnown(out.slice(0, known))

    isFound(await readBody(engine, 'get', BLOCK, get, 'async'))
    isKnown(await readBody(engine, 'pageVersions', BLOCK, versions, 'async'))
  }
  assert.ok(Math.min(...Object.values(unanswered)) > 0, `all tables were open: ${JSON.stringify(unanswered)}`)
  t.diagnostic(JSON.stringify(unanswered))
})
