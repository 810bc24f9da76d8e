/** Copies of batches of blocks from one engine to another, as replicas make them. */
import assert from 'node:assert/strict'
import { OpKind } from '@thermocline/protocol'
import type { OpenedEngine } from './mod.ts'
import { applyBatch, buildEntry, peek } from './model.ts'
import type { BlockPosition, Engine, SnapshotHead } from './port.ts'

/** Applies the block's next entry: one request, which puts the same value at each of the ids. `number` makes the request's id. */
export async function putAt(engine: OpenedEngine, block: number, number: number, ids: readonly bigint[], value: Uint8Array): Promise<void> {
  const requestId = new Uint8Array(16)
  new DataView(requestId.buffer).setUint32(0, number)
  const ops = ids.map((id) => ({ kind: OpKind.put, id, value }))
  const request = { requestId, stamp: 0, outcome: 0, detail: new Uint8Array(8), series: `series of ${block}`, ops }
  const { old } = await peek(engine, block, request)
  applyBatch(engine, [
    { block, index: engine.appliedIndex(block) + 1, entry: buildEntry(0, 0, [{ ...request, old }]), wantsAnswers: false },
  ])
}

export async function flush(engine: OpenedEngine): Promise<void> {
  engine.rotate()
  await engine.flush()
}

/** A batch of exactly these blocks. */
export async function openBatch(source: Engine, blocks: readonly number[]): Promise<SnapshotHead> {
  const head = await source.snapshotOpen(blocks)
  assert.deepEqual(
    head.contents.map(({ block }) => block),
    blocks,
  )
  return head
}

export async function readParts(source: Engine, head: SnapshotHead, partBytes: () => number): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = []
  for (;;) {
    const part = await source.snapshotRead(head.handle, partBytes())
    if (part.length === 0) break
    parts.push(part)
  }
  source.snapshotClose(head.handle)
  return parts
}

/** Where it fails the install is given up. */
export async function installParts(target: Engine, blocks: readonly number[], parts: readonly Uint8Array[]): Promise<BlockPosition[]> {
  const install = await target.installBegin(blocks)
  try {
    for (const part of parts) await target.installPart(install, part)
    return await target.installEnd(install)
  } catch (error) {
    await target.installAbort(install)
    throw error
  }
}

/** Copies what the source has flushed of the blocks, which must be all of them. */
export async function copyBlocks(
  source: Engine,
  target: Engine,
  blocks: readonly number[],
  partBytes = 512 << 10,
): Promise<BlockPosition[]> {
  const head = await openBatch(source, blocks)
  return installParts(target, blocks, await readParts(source, head, () => partBytes))
}
