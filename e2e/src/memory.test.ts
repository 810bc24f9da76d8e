/** A node keeps near its --memory under a load of large values, and loses nothing. The figures are printed. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@thermocline/client'
import { waitForAgreement } from './agreement.ts'
import { replicaStatus } from './node-http.ts'
import { Up } from './up.ts'

const LOAD_MS = 20_000
const WRITERS = 24
const VALUE_BYTES = 256 * 1024
/** Generous: the aim of a node is its limit itself. */
const MOST_OF_LIMIT = 1.6

test('resident memory under large values', async (t: TestContext) => {
  const up = await Up.fresh('--node-memory', '384MiB')
  try {
    const client = await connect({ endpoints: up.endpoints, defaultTimeoutMs: 30_000 })
    const untilMs = performance.now() + LOAD_MS
    const peaks = up.http.map(() => 0)
    let limit = 0
    let writes = 0
    let isOver = false
    const watching = (async () => {
      for (; !isOver; await delay(250)) {
        const statuses = await Promise.all(up.http.map(replicaStatus))
        statuses.forEach(({ memory }, at) => {
          peaks[at] = Math.max(peaks[at] as number, memory.rssBytes)
          limit = memory.limitBytes
        })
      }
    })()
    const writers = Array.from({ length: WRITERS }, async (_, at) => {
      const value = Buffer.alloc(VALUE_BYTES)
      for (let n = 0; performance.now() < untilMs; n++) {
        value.fill(`${at} ${n} ${Math.random()} `)
        await client.put(`large-${at}`, { ms: n, seq: 0 }, value)
        writes++
      }
    })
    await Promise.all(writers)
    isOver = true
    await watching
    client.close()
    const mebibytes = (bytes: number) => Math.round(bytes / 1024 / 1024)
    t.diagnostic(
      `${writes} values of ${VALUE_BYTES / 1024} KiB; most resident: ${peaks.map(mebibytes).join(', ')} MiB of ${mebibytes(limit)}`,
    )
    assert.ok(writes > WRITERS)
    for (const peak of peaks) assert.ok(peak < limit * MOST_OF_LIMIT, `${mebibytes(peak)} MiB resident, of ${mebibytes(limit)}`)
    await waitForAgreement(up.http)
  } finally {
    await up.stop()
  }
})
