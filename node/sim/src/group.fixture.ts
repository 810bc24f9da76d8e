/** A simulated group of three without faults, for tests that look at one thing. */
import assert from 'node:assert/strict'
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
import { ask } from '../../src/doors/ask.fixture.ts'
import type { Engine } from '../../src/engine/mod.ts'
import { getRequest } from '../../src/engine/model.ts'
import type { Replica } from '../../src/replica/replica.ts'
import { Cluster } from './cluster.ts'
import { SimNetwork } from './network.ts'
import { Scheduler } from './scheduler.ts'
import { Watch } from './watch.ts'

export const REPLICAS = 3
const SETTLED_MS = 1000
const TIMEOUT_MS = 5000
export const SERIES = Array.from({ length: 20 }, (_, number) => `series-${number}`)
const { slot } = placementOf(1)

export class Group {
  readonly scheduler = new Scheduler(7)
  readonly cluster: Cluster
  private requests = 0

  constructor(wrapEngine?: (engine: Engine, replica: number) => Engine) {
    const network = new SimNetwork(this.scheduler, { drop: 0, duplicate: 0, slow: 0, minDelayMs: 0.1, maxDelayMs: 0.5, flip: 0 })
    this.cluster = new Cluster(this.scheduler, network, new Watch(REPLICAS), {
      replicaCount: REPLICAS,
      segmentBytes: 1 << 16,
      retainSegments: 4,
      memtableBytes: 1 << 20,
      maxAnswers: 1000,
      answerAgeMs: 5000,
      auditMs: 0,
      missProbability: 0,
      versionCacheBytes: 1 << 16,
      isSelfFirst: false,
      traffic: { unfinishedBytes: 1 << 20, untakenBytes: 1 << 20, connections: 64 },
      ...(wrapEngine === undefined ? {} : { wrapEngine }),
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

  /** A write at the replica that comes first for it; `onAnswer` gets its error number, 0 unless told otherwise. */
  write(series: string, onAnswer: (error: number) => void = (error) => assert.equal(error, 0)): void {
    const encoded = encodeSeries(series)
    const block = blockOf(encoded)
    const replica = this.replica(bestOf(series))
    const id = new Uint8Array(16)
    new DataView(id.buffer).setUint32(12, ++this.requests)
    const w = new ByteWriter(256)
    writeWriteBody(w, id, replica.core.peek(block)?.chosen ?? 0, encoded, putOp(parseRecordId('1-0'), new Uint8Array(50)))
    replica.requests.submit(ask(Operation.write, w.copy(), TIMEOUT_MS, onAnswer))
    this.scheduler.hasReactions = true
  }

  read(series: string, at: number, onAnswer: (ms: number) => void): void {
    const { scheduler } = this
    const beganMs = scheduler.nowMs
    const onReply = (error: number): void => {
      assert.equal(error, 0)
      onAnswer(scheduler.nowMs - beganMs)
    }
    this.replica(at).requests.submit(ask(Operation.get, getRequest(series, [1n << 16n]), TIMEOUT_MS, onReply))
    scheduler.hasReactions = true
  }
}

export const bestOf = (series: string): number => replicaOrder(slot[blockOf(encodeSeries(series))] as number, REPLICAS)[0] as number
