/** When peers learn what was chosen, without faults: at a clean stop, and where they read what is being written. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ByteWriter,
  blockOf,
  encodeSeries,
  Operation,
  parseRecordId,
  placementOf,
  putOp,
  replicaOrder,
  writeWriteBody,
} from '@thermocline/protocol'
import { getRequest } from '../../src/engine/model.ts'
import { NO_ROUND } from '../../src/paxos/block-state.ts'
import type { Replica } from '../../src/replica/replica.ts'
import { Cluster } from './cluster.ts'
import { SimNetwork } from './network.ts'
import { Scheduler } from './scheduler.ts'
import { Watch } from './watch.ts'

const REPLICAS = 3
const SETTLED_MS = 1000
const TIMEOUT_MS = 5000
const SERIES = Array.from({ length: 20 }, (_, number) => `series-${number}`)
const { slot } = placementOf(1)

class Group {
  readonly scheduler = new Scheduler(7)
  private readonly cluster: Cluster
  private requests = 0

  constructor() {
    const network = new SimNetwork(this.scheduler, { drop: 0, duplicate: 0, slow: 0, minDelayMs: 0.1, maxDelayMs: 0.5 })
    this.cluster = new Cluster(this.scheduler, network, new Watch(REPLICAS), {
      replicaCount: REPLICAS,
      segmentBytes: 1 << 16,
      retainSegments: 4,
      memtableBytes: 1 << 20,
      maxAnswers: 1000,
      answerAgeMs: 5000,
      missProbability: 0,
      versionCacheBytes: 1 << 16,
      isSelfFirst: false,
    })
  }

  async start(syncMs: number): Promise<void> {
    this.cluster.startAll()
    await this.run(SETTLED_MS)
    for (const { volume } of this.cluster.machines) volume.disk.syncMs = syncMs
  }

  async run(ms: number): Promise<void> {
    this.scheduler.hasReactions = true
    await this.scheduler.run(this.scheduler.nowMs + ms, () => false)
  }

  replica(number: number): Replica {
    return this.cluster.machines[number]?.life?.replica as Replica
  }

  /** A write at the replica that comes first for it. */
  write(series: string): void {
    const encoded = encodeSeries(series)
    const block = blockOf(encoded)
    const replica = this.replica(bestOf(series))
    const id = new Uint8Array(16)
    new DataView(id.buffer).setUint32(12, ++this.requests)
    const w = new ByteWriter(256)
    writeWriteBody(w, id, replica.core.peek(block)?.chosen ?? 0, encoded, putOp(parseRecordId('1-0'), new Uint8Array(50)))
    replica.submit(Operation.write, w.copy(), TIMEOUT_MS, { reply: (_token, error) => assert.equal(error, 0) }, 0)
    this.scheduler.hasReactions = true
  }

  read(series: string, at: number, onAnswer: (ms: number) => void): void {
    const { scheduler } = this
    const beganMs = scheduler.nowMs
    const reply = (_token: number, error: number): void => {
      assert.equal(error, 0)
      onAnswer(scheduler.nowMs - beganMs)
    }
    this.replica(at).submit(Operation.get, getRequest(series, [1n << 16n]), TIMEOUT_MS, { reply }, 0)
    scheduler.hasReactions = true
  }
}

const bestOf = (series: string): number => replicaOrder(slot[blockOf(encodeSeries(series))] as number, REPLICAS)[0] as number

test('a replica that stops in order tells its peers what it has chosen', async () => {
  const group = new Group()
  await group.start(1)
  const written = SERIES.filter((series) => bestOf(series) === 0)
  for (const series of written) group.write(series)
  await group.run(10)
  void group.replica(0).stop(1000)
  await group.run(100)
  for (const peer of [1, 2]) {
    const open = written.filter((series) => group.replica(peer).core.peek(blockOf(encodeSeries(series)))?.acceptedRound !== NO_ROUND)
    assert.deepEqual(open, [])
  }
})

test('reads at other replicas do not wait for a heartbeat to tell them what was chosen', async (context) => {
  const group = new Group()
  const { scheduler } = group
  await group.start(5)
  const times: number[] = []
  for (let at = 0; at < 20_000; at += 50) {
    scheduler.at(at, () => {
      const series = scheduler.random.pick(SERIES)
      group.write(series)
      for (let reads = 4; reads > 0; reads--) {
        const other = (bestOf(series) + 1 + scheduler.random.below(2)) % REPLICAS
        scheduler.at(scheduler.random.between(0, 10), () => group.read(series, other, (ms) => times.push(ms)))
      }
    })
  }
  await group.run(22_000)
  times.sort((a, b) => a - b)
  // Beyond it stand reads that met a stall of a disk.
  const p95 = times[Math.floor(times.length * 0.95)] as number
  context.diagnostic(`${times.length} reads, p95 ${p95.toFixed(1)} ms of the simulated clock`)
  assert.equal(times.length, 1600)
  assert.ok(p95 < 40)
})
