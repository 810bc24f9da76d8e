import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Scheduler } from '../../sim/src/mod.ts'
import { KubeError } from './kube-error.ts'
import { sleep } from './sleep.ts'
import { type Outcome, Workers } from './workers.ts'

function setUp(workers: number, reconcile: (key: string, nowMs: number) => Outcome, tookMs = 100) {
  const scheduler = new Scheduler(1)
  const clock = scheduler.clock()
  const running = new Set<string>()
  const calls: [string, number][] = []
  const outcomes: string[] = []
  const lines: string[] = []
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  let most = 0
  const pool = new Workers(
    { clock, random: () => 0, log },
    {
      name: 'test',
      workers,
      reconcile: async (key) => {
        assert.ok(!running.has(key))
        running.add(key)
        most = Math.max(most, running.size)
        calls.push([key, scheduler.nowMs])
        await sleep(clock, tookMs, new AbortController().signal)
        running.delete(key)
        return reconcile(key, scheduler.nowMs)
      },
      onPass: (result) => outcomes.push(result),
    },
  )
  return { scheduler, pool, calls, outcomes, lines, most: () => most, running }
}

test('as many keys at once as there are workers, and a key never twice at once', async () => {
  const { scheduler, pool, calls, most } = setUp(2, () => ({ result: 'done', changed: false }))
  for (const key of ['a', 'b', 'c', 'd']) pool.add(key)
  assert.equal(calls.length, 0)
  pool.start()
  await scheduler.run(50)
  pool.add('a')
  await scheduler.run(10_000)
  assert.equal(most(), 2)
  assert.equal(calls.filter(([key]) => key === 'a').length, 2)
  assert.equal(calls.length, 5)
  assert.equal(pool.queue.depth, 0)
})

test('again comes after its time; done does not come again', async () => {
  let left = 2
  const { scheduler, pool, calls } = setUp(1, () => (left-- > 0 ? { result: 'again', afterMs: 5000 } : { result: 'done', changed: true }))
  pool.start()
  pool.addAfter('a', 1000)
  await scheduler.run(60_000)
  assert.deepEqual(
    calls.map(([, atMs]) => atMs),
    [1000, 6100, 11_200],
  )
})

test('a pass that always wants to look again at once does not spin', async () => {
  const { scheduler, pool, calls } = setUp(1, () => ({ result: 'again', afterMs: 0 }), 0)
  pool.start()
  pool.add('a')
  await scheduler.run(10_000)
  assert.ok(calls.length <= 101, `${calls.length} passes in 10 s`)
})

test('failures come back later and later, thrown or told; a Retry-After is kept', async () => {
  const { scheduler, pool, calls, outcomes } = setUp(1, (_, nowMs) => {
    if (nowMs > 3000) return { result: 'done', changed: false }
    if (nowMs > 1500) {
      const error = new KubeError({ verb: 'list', resource: 'pods' }, { status: 429, reason: 'x', message: 'y', retryAfterMs: 20_000 })
      return { result: 'failed', error }
    }
    throw new Error('broken')
  })
  pool.start()
  pool.add('a')
  await scheduler.run(60_000)
  assert.deepEqual(
    calls.map(([, atMs]) => atMs),
    [0, 600, 1700, 21_800],
  )
  assert.deepEqual(outcomes, ['failed', 'failed', 'failed', 'unchanged'])
})

test('stop waits for what runs and begins nothing', async () => {
  const { scheduler, pool, calls, running } = setUp(1, () => ({ result: 'again', afterMs: 0 }))
  pool.start()
  pool.add('a')
  pool.add('b')
  await scheduler.run(50)
  let isStopped = false
  void pool.stop().then(() => {
    isStopped = true
  })
  await scheduler.run(10)
  assert.equal(isStopped, false)
  await scheduler.run(10_000)
  assert.equal(isStopped, true)
  assert.equal(running.size, 0)
  assert.equal(calls.length, 1)
})

test('each pass is one line: told if it changed something or ended otherwise than the last, else only to those who look closely', async () => {
  const ends: Outcome[] = [
    { result: 'again', afterMs: 1000, changed: true, report: { phase: 'Running' } },
    { result: 'again', afterMs: 1000 },
    { result: 'again', afterMs: 1000 },
    { result: 'done', changed: false },
  ]
  const { scheduler, pool, lines } = setUp(1, () => ends.shift() as Outcome)
  pool.start()
  pool.add('a')
  await scheduler.run(10_000)
  const line = (level: string, result: string, more = ''): string =>
    `${level} reconciled {"kind":"test","key":"a","result":"${result}","tookMs":100${more}}`
  assert.deepEqual(lines, [
    line('info', 'changed', ',"phase":"Running"'),
    line('info', 'waiting'),
    line('debug', 'waiting'),
    line('info', 'unchanged'),
  ])
})
