/** Each peer once, for real and for a moment: it starts, takes the pages, answers each read, is timed, and ends. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { missingPackages } from '../peers/etcd-setup.ts'
import { type DatasetFiles, writeDataset } from './dataset.ts'
import { PEERS, type PeerName, startOurs, startPeer } from './peers.ts'
import { Target, type TargetParts } from './target.ts'
import { findTool } from './tool.ts'

const PAGES = 2000
const SECONDS = 0.3
const say = (): void => {}

/** Why a peer cannot be had here, or false. Nothing is installed for a test. */
function whyNot(name: PeerName): string | false {
  if (name === 'etcd') {
    const missing = missingPackages()
    return missing.length > 0 && `etcd and its loader need ${missing.join(', ')}`
  }
  try {
    execFileSync(findTool(name === 'memcached' ? 'memcached' : 'redis-server'), ['--version'], { stdio: 'ignore' })
    return false
  } catch (error) {
    return (error as Error).message
  }
}

async function drive(starting: Promise<TargetParts>, dataset: DatasetFiles): Promise<void> {
  const target = new Target(await starting, dataset)
  try {
    await target.fill(say)
    for (const [batch, writeShare] of [
      [1, 0],
      [32, 0.2],
    ] as const) {
      const sample = await target.load({ name: 'smoke', clients: 4, batch, writeShare }, SECONDS)
      assert.equal(sample.errors, 0)
      assert.ok(sample.opsPerSecond > 0)
      assert.ok(sample.p50Ms > 0 && sample.p99Ms >= sample.p50Ms, `p50 ${sample.p50Ms}, p99 ${sample.p99Ms}`)
      assert.equal(sample.writeP50Ms !== undefined, writeShare > 0)
    }
  } finally {
    await target.stop()
  }
  for (const pid of target.pids) assert.ok(!existsSync(`/proc/${pid}`), `process ${pid} is still there`)
}

// Each waits for its processes most of the time, so all at once.
suite('takes the load', { concurrency: true }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'peers-'))
  const dataset = writeDataset(folder, PAGES)
  after(() => rmSync(folder, { recursive: true, force: true }))
  test('thermocline', () => drive(startOurs(folder, 'test', say), dataset))
  for (const name of PEERS) test(name, { skip: whyNot(name) }, () => drive(startPeer(name, folder, say), dataset))
})
