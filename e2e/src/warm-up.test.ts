/** A memory node that is added takes over what the one beside it holds hottest, before it gets its share of the reads. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, connect } from '@thermocline/client'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { Up } from './up.ts'

const SERIES = 300
const ROUNDS = 5

interface Rings {
  readonly hits: number
  readonly misses: number
}

interface Status {
  readonly state: string
  readonly cache: { readonly rings: readonly Rings[] }
}

let up: Up
after(() => up.stop())

async function look(machine: number): Promise<Rings> {
  const { cache } = (await (await fetch(`${up.memory[machine]?.http}/v1/admin/status`)).json()) as Status
  const sum = (of: (ring: Rings) => number) => cache.rings.reduce((all, ring) => all + of(ring), 0)
  return { hits: sum(({ hits }) => hits), misses: sum(({ misses }) => misses) }
}

/** Reads all series again and again; what is never read twice is hot nowhere. */
async function readAll(client: Client, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++)
    await Promise.all(Array.from({ length: SERIES }, (_, at) => client.get(`series-${at}`, '1732233600000-0')))
}

test('a memory node that is added begins with what its peer holds hottest', { timeout: 240_000 }, async (t) => {
  const folder = makeTemporaryFolder()
  const start = (memory: number) => Up.start(['--data', folder, '--port', '0', '--memory', String(memory), '--cache', '64MiB'])
  up = await start(1)
  const client = await connect({ endpoints: up.endpoints })
  await Promise.all(Array.from({ length: SERIES }, (_, at) => client.put(`series-${at}`, '1732233600000-0', `value ${at}`)))
  await readAll(client, ROUNDS)
  client.close()
  await up.stop()
  up = await start(2)
  const again = await connect({ endpoints: up.endpoints })
  after(() => again.close())
  const before = await look(1)
  // The one that is new has a small share at first; it grows within half a minute.
  const untilMs = performance.now() + 60_000
  let found = before
  while (found.hits - before.hits < SERIES && performance.now() < untilMs) {
    await readAll(again, 1)
    found = await look(1)
    await delay(20)
  }
  const [hits, misses] = [found.hits - before.hits, found.misses - before.misses]
  t.diagnostic(`the new node found ${hits} pages of ${hits + misses} looked up`)
  assert.ok(hits >= SERIES, `${hits} hits`)
  assert.ok(misses <= hits / 20, `${misses} misses and ${hits} hits: it began empty`)
})
