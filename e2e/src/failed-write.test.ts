/**
 * A durable log write that fails, in a real process: the node reports it and exits, and never tries again; the others go
 * on; started again on a disk that works, it has everything that it had acknowledged and catches up.
 */
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { readBack, waitForAgreement } from './agreement.ts'
import { Load } from './load.ts'
import { waitUntilServing } from './node-http.ts'
import { buildPreload } from './preload.ts'
import { StorageProcess } from './storage-process.ts'
import { makeTemporaryFolder, removeTemporaryFolder } from './temporary-folder.ts'
import { Up } from './up.ts'

const skip = process.platform === 'linux' ? false : 'needs LD_PRELOAD'
const EXIT_TIMEOUT_MS = 60_000
/** What the node exits with when its store cannot go on. */
const EXIT_CODE = /70/

test('a failed durable write ends the node at once, and costs nothing that was acknowledged', {
  skip,
  timeout: 240_000,
}, async (t: TestContext) => {
  const folder = makeTemporaryFolder()
  const library = buildPreload('fail-writes/fail-writes.c', folder)
  const flag = join(folder, 'flag')
  Object.assign(process.env, { LD_PRELOAD: library, FAIL_WRITES: flag })
  const up = await Up.fresh('--no-restart')
  delete process.env.LD_PRELOAD
  try {
    const load = await Load.start({
      endpoints: up.endpoints,
      clients: 8,
      writesPerSecond: 400,
      readsPerSecond: 400,
      series: 30,
      prefix: 'eio',
    })
    await delay(1000)
    writeFileSync(flag, '/g0-r1/')
    const beganMs = performance.now()
    while (!up.events.some(({ event, node }) => event === 'exited' && node === 'g0-r1')) {
      assert.ok(performance.now() - beganMs < EXIT_TIMEOUT_MS, 'the node has not ended')
      await delay(10)
    }
    t.diagnostic(`the node ended ${Math.round(performance.now() - beganMs)} ms after its disk began to fail`)
    const exited = up.events.find(({ event, node }) => event === 'exited' && node === 'g0-r1')
    assert.match(exited?.how ?? '', EXIT_CODE)
    const said = readFileSync(join(up.folder, 'g0-r1.log'), 'utf8')
    assert.match(said, /EIO/)
    assert.equal(said.match(/the store cannot go on/g)?.length, 1, 'it says so once, and does not try again')
    await delay(1500)
    rmSync(flag)
    const again = StorageProcess.start(up, 1)
    await waitUntilServing(up.http[1] as string)
    await load.stop()
    assert.deepEqual(load.failures, [])
    t.diagnostic(`${load.writes} writes, longest gap ${load.longestGapMs.toFixed(0)} ms`)
    await waitForAgreement(up.http)
    for (const http of up.http) assert.equal(await readBack(http, load.acknowledged), load.writes)
    await again.stop()
  } finally {
    await up.stop()
    removeTemporaryFolder(folder)
  }
})
