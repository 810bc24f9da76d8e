/** Program of crash.test.ts: applies, reads and flushes without end, and says up to where it has flushed. */
import { OpKind } from '@thermocline/protocol'
import { openEngine } from './mod.ts'
import { applyBatch, buildEntry, getRequest, scanRequest } from './model.ts'

const BLOCKS = [1, 2, 65535]
const [, , path = '', versionCachePath = ''] = process.argv
const engine = openEngine({
  path,
  versionCachePath,
  sliceDurationMs: 1000,
  memtableBytes: 1 << 20,
  blockCacheBytes: 1 << 20,
  versionCacheBytes: 64 << 10,
  incarnation: 'crash',
})
const get = getRequest('s', [1n << 16n, 2n << 16n])
const scan = scanRequest('s', 0n, 2n ** 64n - 1n, 100, true)

function apply(index: number): void {
  for (const block of BLOCKS) {
    const requestId = new Uint8Array(16)
    new DataView(requestId.buffer).setUint32(0, index)
    const ops = [{ kind: OpKind.put, id: BigInt(index) << 16n, value: new Uint8Array(index % 700) }]
    const made = { requestId, stamp: index - 1, outcome: 0, detail: new Uint8Array(8), series: 's', ops, old: [] }
    applyBatch(engine, [{ block, index, entry: buildEntry(Math.max(0, index - 200), index, [made]) }])
  }
}

for (let index = engine.appliedIndex(1); ; ) {
  for (let left = 300; left > 0; left--) apply(++index)
  engine.rotate()
  const flushed = index
  const flush = engine.flush()
  const reads = BLOCKS.flatMap((block) => [engine.getAsync(block, get, 0, get.length), engine.scanAsync(block, scan, 0, scan.length)])
  for (let left = 50; left > 0; left--) apply(++index)
  await flush
  process.stdout.write(`flushed ${flushed}\n`)
  await Promise.all(reads)
}
