/**
 * The memory tier as a user meets it: `up --memory`, the same library and command line, and reads that are never stale whatever
 * becomes of memory nodes. The figures are printed.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { History } from './campaign/history.ts'
import { Load } from './campaign/load.ts'
import { waitUntilServing } from './node-http.ts'
import { type MemoryPlace, Up, type UpEvent } from './up.ts'

const KILLS = 4
const PAUSE_MS = 2500
const RESTART_TIMEOUT_MS = 120_000

let up: Up

async function figure(http: string, name: string): Promise<number> {
  const text = await (await fetch(`${http}/metrics`)).text()
  const all = [...text.matchAll(new RegExp(`^thermocline_memory_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))]
  return all.reduce((sum, [, value]) => sum + Number(value), 0)
}

const total = async (name: string): Promise<number> => {
  const each = await Promise.all(up.memory.map(({ http }) => figure(http, name)))
  return each.reduce((sum, value) => sum + value, 0)
}

/** SIGKILL to a memory node; resolves when another process has taken its place and serves. */
async function killAndWait(machine: number): Promise<void> {
  const name = `m0-${machine}`
  const { pid, http } = up.memory[machine] as MemoryPlace
  const isStart = ({ event, node }: UpEvent): boolean => event === 'started' && node === name
  const seen = up.events.length
  process.kill(up.events.findLast(isStart)?.pid ?? pid, 'SIGKILL')
  const untilMs = performance.now() + RESTART_TIMEOUT_MS
  while (!up.events.slice(seen).some(isStart)) {
    assert.ok(performance.now() < untilMs, `${name} does not start again`)
    await delay(50)
  }
  // It does not listen as soon as its process runs.
  await waitUntilServing(http)
}

describe('the memory tier', () => {
  before(async () => {
    up = await Up.fresh('--memory', '2', '--cache', '64MiB')
  })
  after(async () => {
    assert.equal(await up.stop(), 0)
  })

  test('reads of the command line go through it, see every write, and hit', async () => {
    for (const value of ['one', 'two', 'three']) {
      await up.output('put', 'alice', '1732233600000-0', value)
      assert.equal((await up.output('get', 'alice', '1732233600000-0')).trim(), value)
      assert.match(await up.output('scan', 'alice'), new RegExp(`1732233600000-0\\s+${value}`))
    }
    assert.equal((await up.run(['get', 'alice', '5-0'])).code, 3)
    await up.output('delete', 'alice', '1732233600000-0')
    assert.equal((await up.output('scan', 'alice')).trim(), '')
    assert.ok((await total('requests_total')) >= 8)
  })

  test('memory nodes are killed under load and start again with their caches: no request fails, the history is linearizable', async (t) => {
    const history = new History()
    const load = await Load.start(history, up.endpoints)
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        await delay(PAUSE_MS)
        await killAndWait(kill % 2)
      }
      await delay(PAUSE_MS)
      await load.stop()
      await load.finish()
    } finally {
      await load.stop()
      await load.close()
    }
    const failed = history.operations.filter(({ outcome }) => outcome !== 'ok')
    assert.deepEqual(
      failed.map(({ code, input }) => `${input.kind}: ${code}`),
      [],
    )
    assert.equal(history.check().verdict, 'linearizable')
    const [unchanged, requests] = [await total('verdicts_total'), await total('requests_total')]
    t.diagnostic(
      `${history.operations.length} operations, ${KILLS} kills; ${requests} reads in the tier, ${unchanged} verdicts since the last start`,
    )
    assert.ok(requests > 0)
  })
})
