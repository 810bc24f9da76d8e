/** Deaths: a process killed while it flushes, and a thread ended while engines work. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { copyBlocks } from './copy.fixture.ts'
import { openEngine } from './mod.ts'

const folder = mkdtempSync(join(tmpdir(), 'engine-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const busy = fileURLToPath(new URL('./crash-busy.ts', import.meta.url))
const memory = {
  sliceDurationMs: 1000,
  memtableBytes: 1 << 20,
  blockCacheBytes: 1 << 20,
  versionCacheBytes: 64 << 10,
  incarnation: 'crash',
}

test('a process killed at any moment leaves a whole flush behind', async () => {
  const path = join(folder, 'killed')
  const options = { ...memory, path, versionCachePath: join(folder, 'versions') }
  let flushed = 0
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', busy, path, options.versionCachePath])
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    child.stderr.pipe(process.stderr)
    const ended = new Promise((resolve) => child.once('exit', resolve))
    while (!said.includes('flushed') && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5))
    await new Promise((resolve) => setTimeout(resolve, round * 17))
    child.kill('SIGKILL')
    await ended
    const lastSaid = Number(said.trim().split('\n').at(-1)?.split(' ')[1])
    const engine = openEngine(options)
    const target = openEngine(memory)
    const positions = engine.positions()
    assert.ok(positions.length > 0)
    assert.ok(engine.appliedIndex(1) >= Math.max(lastSaid, flushed), `index ${engine.appliedIndex(1)} after ${lastSaid} was flushed`)
    flushed = engine.appliedIndex(1)
    for (const { block, index } of positions) {
      assert.equal(index, flushed, 'all blocks stand at one cut')
      // An install adds up every record, page and answer: the digest on disk is that of the content on disk.
      await copyBlocks(engine, target, [block])
      assert.equal(target.digest(block), engine.digest(block))
    }
    await target.close()
    await engine.close()
  }
})

test('a thread may end while its engines work', async () => {
  for (let round = 0; round < 2; round++) {
    const worker = new Worker(busy, { argv: [join(folder, `thread-${round}`), join(folder, `versions-${round}`)], stdout: true })
    await new Promise((resolve) => worker.stdout.once('data', resolve))
    await worker.terminate()
    const engine = openEngine({ ...memory, path: join(folder, `thread-${round}`) })
    assert.ok(engine.appliedIndex(1) > 0)
    await engine.close()
  }
})
