/**
 * Nodes of 512 MiB beside ten hostile clients each, while somebody imports: everything arrives, no node ends, and what a node holds
 * stays near its limit. The figures are printed.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@thermocline/client'
import { encodeSeries } from '@thermocline/protocol'
import { waitForAgreement } from './agreement.ts'
import { HostileClients } from './hostile-clients.ts'
import { replicaStatus } from './node-http.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { Up } from './up.ts'

const RECORDS = 60_000
const SERIES = 2000
const LARGE_BYTES = 1024 * 1024 - 1
const LARGE_AT_MS = 1
const SEIZE_MS = 3000
/** Generous: the aim of a node is its limit itself. */
const MOST_OF_LIMIT = 1.25
const MIB = 1024 * 1024

test('ten hostile clients at each node, and an import', { timeout: 240_000 }, async (t: TestContext) => {
  const folder = makeTemporaryFolder()
  const file = join(folder, 'events.ndjson')
  const lines = Array.from({ length: RECORDS }, (_, at) =>
    JSON.stringify({ who: `user-${at % SERIES}`, at: 1e12 + at, text: 'x'.repeat(200) }),
  )
  writeFileSync(file, lines.join('\n'))
  const up = await Up.fresh('--node-memory', '512MiB')
  let hostile: HostileClients | undefined
  let isOver = false
  try {
    using client = await connect({ endpoints: up.endpoints, defaultTimeoutMs: 30_000 })
    await client.put('large', { ms: LARGE_AT_MS, seq: 0 }, Buffer.alloc(LARGE_BYTES, 'large'))
    hostile = new HostileClients(
      up.endpoints,
      up.http.map((url) => url.replace('http://', '')),
      { series: encodeSeries('large'), ms: LARGE_AT_MS },
    )
    await delay(SEIZE_MS)
    const peaks = up.http.map(() => 0)
    const watching = (async () => {
      for (; !isOver; await delay(250)) {
        const statuses = await Promise.all(up.http.map((url) => replicaStatus(url).catch(() => undefined)))
        for (const [at, status] of statuses.entries()) peaks[at] = Math.max(peaks[at] as number, status?.memory.rssBytes ?? 0)
      }
    })()
    const beganMs = performance.now()
    const [figures] = await up.json('import', file, '--series', 'who', '--time', 'at')
    const tookMs = performance.now() - beganMs
    isOver = true
    await watching
    const { closed, connections } = hostile
    t.diagnostic(
      `${RECORDS} records in ${(tookMs / 1000).toFixed(1)} s beside ${connections} hostile connections (${closed} were closed); most resident: ${peaks.map((bytes) => Math.round(bytes / MIB)).join(', ')} MiB`,
    )
    assert.deepEqual([figures?.records, figures?.rejected], [RECORDS, 0])
    assert.ok(closed > 0, 'the hostile clients met a bound')
    hostile.stop()
    const statuses = await Promise.all(up.http.map(replicaStatus))
    for (const [at, { boot, state, memory }] of statuses.entries()) {
      assert.equal(`${boot} ${state}`, '1 serving', `node ${at} was not restarted`)
      assert.ok((peaks[at] as number) < memory.limitBytes * MOST_OF_LIMIT, `node ${at}: ${peaks[at]} bytes of ${memory.limitBytes}`)
    }
    await waitForAgreement(up.http)
  } finally {
    isOver = true
    hostile?.stop()
    await up.stop()
  }
})
