/**
 * A replica that lies to its peers, beside doing its work: unasked answers, wrong numbers, names of incarnations that do not
 * exist, entries that are none. It says so on the connections that it has, in frames that are well formed, so that no checksum
 * and no address tells. The honest majority must go on, and lose nothing; what its own words cost the liar is its own affair.
 *
 * A majority of replicas cannot be made to disagree by what was not asked for. Of what was asked for (an entry, a promise) a
 * replica has to be believed: there it does not lie here.
 */
import { ByteWriter, sealEntry, writeEntryHeader } from '@thermocline/protocol'
import { beginPeerFrame, encodeNaming, endPeerFrame, type Naming } from '../../src/paxos/frames.ts'
import { MessageWriter } from '../../src/paxos/messages.ts'
import type { ProcessRef } from '../../src/paxos/processes.ts'
import type { Replica } from '../../src/replica/replica.ts'
import type { Cluster } from './cluster.ts'
import type { Scheduler } from './scheduler.ts'

const EVERY_MS = 15
const NOWHERE = 2 ** 40
const LATER = { number: 7, nonce: 'f'.repeat(16) }

/** Writes one lie about a block into a frame. */
type Lie = (m: MessageWriter, w: ByteWriter, block: number, next: number, self: ProcessRef) => void

function anEntry(index: number): Uint8Array {
  const w = new ByteWriter(64)
  writeEntryHeader(w, 0, 1, index === 1 ? new Uint8Array(16) : undefined)
  sealEntry(w)
  return w.copy()
}

const LIES: Readonly<Record<string, Lie>> = {
  unaskedEntry: (m, w, block, next, self) => {
    const countAt = m.entriesBegin(w, block, next, 1)
    m.entry(w, self, NOWHERE, anEntry(next))
    m.entriesEnd(w, countAt, 1, next, 0)
  },
  noEntry: (m, w, block, next, self) => {
    const countAt = m.entriesBegin(w, block, next, 1)
    m.entry(w, self, NOWHERE, Uint8Array.of(1, 2, 3))
    m.entriesEnd(w, countAt, 1, next, 0)
  },
  unaskedBatch: (m, w, block, next, self) => m.batches.head(w, 1, [{ block, index: next, valueProcess: self, valueCounter: 1 }]),
  unaskedPart: (m, w) => m.batches.part(w, 1, 0, 0, new Uint8Array(0)),
  wantPartOfNothing: (m, w) => m.batches.wantPart(w, 1, 0),
  batchGone: (m, w) => m.batches.gone(w, 1, false),
  unaskedBarrier: (m, w, block) => {
    const countAt = m.barrierAnswer(w, 1)
    m.barrier(w, block, NOWHERE)
    w.patchU32(countAt, 1)
    w.u8(1)
  },
  unaskedDigest: (m, w, block, next) => m.digestAnswer(w, block, next - 1, 'f'.repeat(16)),
  unaskedForwardAnswer: (m, w) => m.forwardAnswer(w, 1, 0, new Uint8Array(14)),
  acceptedOfNothing: (m, w, block, next) => m.accepted(w, block, next, 60_000),
  promiseOfNothing: (m, w, block, next, self) => m.promise(w, block, next, 60_000, 0, self, self, 1, anEntry(next)),
  refusedFarAbove: (m, w, block, next) => m.refused(w, block, next, 0xffff_ffff),
  prepareFarAbove: (m, w, block, next, self) => m.prepare(w, block, next, 0xffff_fff0, self, NOWHERE),
  acceptFarAbove: (m, w, block, next, self) => m.accept(w, block, next, 0xffff_fff0, self, 1, self, NOWHERE, anEntry(next)),
  position: (m, w, block) => m.position(w, block, NOWHERE),
  positionOfAnother: (m, w, block) => m.position(w, block ^ 1, NOWHERE),
  chosenNowhere: (m, w, block, _next, self) => m.chosen(w, block, NOWHERE, self, 1),
  ahead: (m, w, block) => m.ahead(w, block, NOWHERE),
  behind: (m, w, block, next) => m.behind(w, block, next, 0),
  auditHint: (m, w, block) => m.auditHint(w, block),
  settleNowhere: (m, w, block) => m.settle(w, block, NOWHERE),
  wantPositions: (m, w) => m.wantPositions(w),
}

export class Liar {
  private readonly scheduler: Scheduler
  private readonly cluster: Cluster
  private readonly number: number
  private isStopped = false
  readonly hits: Record<string, number> = Object.fromEntries([...Object.keys(LIES), 'names'].map((name) => [name, 0]))

  constructor(scheduler: Scheduler, cluster: Cluster, number: number) {
    this.scheduler = scheduler
    this.cluster = cluster
    this.number = number
  }

  start(): void {
    if (this.isStopped) return
    this.scheduler.at(this.scheduler.random.between(0, 2 * EVERY_MS), () => {
      this.lie()
      this.scheduler.hasReactions = true
      this.start()
    })
  }

  stop(): void {
    this.isStopped = true
  }

  private lie(): void {
    const { random } = this.scheduler
    const replica = this.cluster.machines[this.number]?.life?.replica
    if (replica === undefined || replica.core.known.length === 0) return
    const peers = replica.peers.all.filter(({ isReady }) => isReady)
    const peer = peers[random.below(Math.max(1, peers.length))]
    const state = replica.core.known[random.below(replica.core.known.length)]
    if (peer?.link === undefined || state === undefined) return
    const w = new ByteWriter(512)
    const isOfNames = random.chance(0.1)
    const naming = isOfNames ? this.names(replica) : encodeNaming(random.below(0x1_0000), replica.memories.named)
    beginPeerFrame(w, naming)
    if (!isOfNames) {
      const name = random.pick(Object.keys(LIES))
      this.hits[name] = (this.hits[name] ?? 0) + 1
      const { processes, core } = replica
      LIES[name]?.(new MessageWriter(processes, core.self), w, state.block, state.chosen + 1, core.self)
    }
    endPeerFrame(w, replica.log.durableWrite, 1, naming)
    peer.link.send(w.written())
  }

  /** All others have been replaced, it says; at its next frame it names again what it knows. */
  private names({ core }: Replica): Naming {
    this.hits.names = (this.hits.names ?? 0) + 1
    const others = Array.from({ length: core.replicaCount }, (_, replica) => replica).filter((replica) => replica !== core.replica)
    return encodeNaming(this.scheduler.random.below(0x1_0000), new Map(others.map((replica) => [replica, LATER])))
  }
}
