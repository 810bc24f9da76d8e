/** Copies of batches of blocks from one engine to another, as replicas make them. */
import assert from 'node:assert/strict'
import type { BlockPosition, Engine, SnapshotHead } from './port.ts'

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
