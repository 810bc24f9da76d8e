/** An engine with some series in it, half of them flushed, and what is asked of it to see that it still is what it was. */
import assert from 'node:assert/strict'
import { blockOf, Operation, OpKind } from '@thermocline/protocol'
import { type OpenedEngine, type OpenOptions, openEngine } from '../../src/engine/mod.ts'
import { applyBatch, buildEntry, getRequest, peek, readBody, readGet } from '../../src/engine/model.ts'
import { FILLED_SLICES, NAMES, SLICE_MS } from './request-bodies.ts'

/** Nothing but a control read asks for it, and no input writes to it. */
const CONTROL = 'the control'
const CONTROL_BLOCK = blockOf(new TextEncoder().encode(CONTROL))
const CONTROL_ID = 77n << 16n

export const engineOptions = {
  sliceDurationMs: SLICE_MS,
  memtableBytes: 1 << 30,
  blockCacheBytes: 1 << 20,
  versionCacheBytes: 1 << 16,
  incarnation: 'fuzz',
} as const satisfies OpenOptions

let requests = 0

/** One entry of one request, which puts records at these ids. */
export async function putRecords(engine: OpenedEngine, series: Uint8Array, ids: readonly bigint[], value: Uint8Array): Promise<void> {
  const requestId = new Uint8Array(16).fill(0xee)
  new DataView(requestId.buffer).setUint32(0, ++requests)
  const ops = ids.map((id) => ({ kind: OpKind.put, id, value }))
  const request = { requestId, stamp: 0, outcome: 0, detail: new Uint8Array(8), series, ops }
  const block = blockOf(series)
  const { old } = await peek(engine, block, request)
  applyBatch(engine, [
    { block, index: engine.appliedIndex(block) + 1, entry: buildEntry(0, 0, [{ ...request, old }]), wantsAnswers: false },
  ])
}

export async function flush(engine: OpenedEngine): Promise<void> {
  engine.rotate()
  await engine.flush()
}

/** Every name of NAMES with records in each slice; those of the later slices are not flushed. */
export async function fillEngine(engine: OpenedEngine): Promise<void> {
  for (let slice = 0; slice < FILLED_SLICES; slice++) {
    if (slice === FILLED_SLICES / 2) await flush(engine)
    for (const series of NAMES) {
      const ids = [1, 2, 7].map((ms) => BigInt(slice * SLICE_MS + ms) << 16n)
      await putRecords(engine, series, ids, new Uint8Array(slice + 1).fill(slice))
    }
  }
  await putRecords(engine, new TextEncoder().encode(CONTROL), [CONTROL_ID], Uint8Array.of(1, 2, 3))
}

export async function openFilledEngine(): Promise<OpenedEngine> {
  const engine = openEngine(engineOptions)
  await fillEngine(engine)
  return engine
}

/** @throws unless the control is read as it was written. */
export async function checkEngine(engine: OpenedEngine): Promise<void> {
  const body = await readBody(engine, 'get', CONTROL_BLOCK, getRequest(CONTROL, [CONTROL_ID]), 'async')
  assert.deepEqual(readGet(body, [CONTROL_ID]).records[0]?.value, Uint8Array.of(1, 2, 3), 'the control read')
}

/** Names of the reads that answer one series. */
export const READS: Readonly<Record<number, 'get' | 'scan' | 'pageVersions'>> = {
  [Operation.get]: 'get',
  [Operation.scan]: 'scan',
  [Operation.pageVersions]: 'pageVersions',
}
