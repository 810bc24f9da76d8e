import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idleProcess, SimCluster } from '../../sim/src/mod.ts'
import { EVENT_BURST, EVENT_REPEAT_MS, MAX_EVENTS } from './bounds.ts'
import { EventLog, type Happening } from './event-log.ts'
import { EventRecorder } from './events.ts'
import { RESOURCES } from './resources.ts'

const about = (message: string, name = 'p'): Happening => ({
  object: { apiVersion: 'thermocline.dev/v1alpha1', kind: 'PaxosGroup', metadata: { namespace: 'default', name, uid: 'u' } },
  type: 'Warning',
  reason: 'Waits',
  message,
})

function setUp() {
  const cluster = new SimCluster({ seed: 1, start: idleProcess })
  cluster.stop()
  const kube = cluster.client()
  const recorder = new EventRecorder(cluster.world(kube), { component: 'thermocline-operator', instance: 'one' })
  const events = () => cluster.store.all(RESOURCES.events)
  return { cluster, kube, recorder, events }
}

test('repeats become a count of one event', async () => {
  const { cluster, recorder, events } = setUp()
  for (let i = 0; i < 5; i++) {
    recorder.record(about('group 0 waits'))
    await cluster.run(60_000)
  }
  recorder.record(about('group 1 waits'))
  await cluster.run(1000)
  assert.deepEqual(
    events().map(({ message, count, type, reason }) => [message, count, type, reason]),
    [
      ['group 0 waits', 5, 'Warning', 'Waits'],
      ['group 1 waits', 1, 'Warning', 'Waits'],
    ],
  )
  const [event] = events()
  assert.deepEqual(event?.involvedObject, {
    apiVersion: 'thermocline.dev/v1alpha1',
    kind: 'PaxosGroup',
    namespace: 'default',
    name: 'p',
    uid: 'u',
  })
  assert.notEqual(event?.firstTimestamp, event?.lastTimestamp)
})

test('an event that the server forgot is written anew; after a long time a repeat is a new one', async () => {
  const { cluster, recorder, events } = setUp()
  recorder.record(about('x'))
  await cluster.run(1000)
  for (const { metadata } of events()) cluster.store.delete(RESOURCES.events, metadata)
  recorder.record(about('x'))
  await cluster.run(1000)
  assert.deepEqual(
    events().map(({ count }) => count),
    [2],
  )
  await cluster.run(EVENT_REPEAT_MS)
  recorder.record(about('x'))
  await cluster.run(1000)
  assert.deepEqual(
    events()
      .map(({ count }) => Number(count))
      .sort((a, b) => a - b),
    [1, 2],
  )
})

test('a flood is bounded: a burst, then one a second; what waits is counted', async () => {
  const { cluster, kube, recorder, events } = setUp()
  for (let i = 0; i < 3000; i++) recorder.record(about(`m${i % 100}`))
  await cluster.run(5000)
  assert.ok(kube.requests <= EVENT_BURST + 6, `${kube.requests} requests`)
  await cluster.run(120_000)
  assert.equal(events().length, 100)
  const counts = events().map(({ count }) => count)
  assert.ok(
    counts.every((count) => count === 30),
    `${counts}`,
  )
})

test('a server that refuses costs nothing but the event', async () => {
  const { cluster, kube, recorder, events } = setUp()
  kube.faults = { ...kube.faults, serverError: 1 }
  recorder.record(about('lost'))
  await cluster.run(1000)
  kube.faults = { ...kube.faults, serverError: 0 }
  recorder.record(about('told'))
  await cluster.run(1000)
  assert.deepEqual(
    events().map(({ message }) => message),
    ['told'],
  )
  await recorder.stop()
  recorder.record(about('too late'))
  await cluster.run(1000)
  assert.equal(events().length, 1)
})

test('the log of events is bounded', () => {
  const log = new EventLog()
  for (let i = 0; i < MAX_EVENTS * 3; i++) log.note(about(`m${i}`), 0)
  let written = 0
  for (let nowMs = 0; ; nowMs += 1000) {
    const next = log.next(nowMs)
    if (next === undefined) break
    if (!('waitMs' in next)) written++
  }
  assert.equal(written, MAX_EVENTS)
})
