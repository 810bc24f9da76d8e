/** A program, also a thread of one, that ends in the middle of its work: reads wait, some run, a flush is under way. argv[2]: the engine's folder; argv[3]: how it ends. */
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { OpKind } from '@thermocline/protocol'
import { openEngine } from './mod.ts'
import { applyBatch, buildEntry, getRequest } from './model.ts'

const [path, ending] = isMainThread ? [process.argv[2] as string, process.argv[3]] : [workerData as string, 'terminate']

async function work(): Promise<void> {
  const engine = openEngine({
    path,
    sliceDurationMs: 1000,
    memtableBytes: 1 << 26,
    blockCacheBytes: 1 << 20,
    versionCacheBytes: 1 << 16,
    incarnation: 'x',
  })
  const request = { requestId: new Uint8Array(16), stamp: 0, outcome: 0, detail: new Uint8Array(8), series: 's' }
  const value = new Uint8Array(1 << 20).map((_, at) => at * 7)
  const ops = Array.from({ length: 3 }, (_, at) => ({ kind: OpKind.put, id: BigInt(at) << 16n, value }))
  applyBatch(engine, [{ block: 1, index: 1, entry: buildEntry(0, 0, [{ ...request, ops, old: [] }]) }])
  engine.rotate()
  await engine.flush()
  const get = getRequest('s', [0n])
  for (let read = 0; read < 500; read++) void engine.getAsync(1, get, 0, get.length)
  engine.rotate()
  void engine.flush()
}

if (isMainThread && ending === 'thread') {
  const worker = new Worker(new URL(import.meta.url), { workerData: path })
  worker.once('message', () => void worker.terminate().then(() => process.stdout.write('ended')))
} else {
  await work()
  if (isMainThread) {
    process.stdout.write('ended')
    process.exit(0)
  }
  const { parentPort } = await import('node:worker_threads')
  parentPort?.postMessage('busy')
  // Held up until the thread is ended.
  setInterval(() => {}, 1000)
}
