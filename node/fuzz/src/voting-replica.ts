/**
 * What a replica votes, learns, reads and applies with, without sockets and disk: replica 0 of three, which takes turns as replica.ts
 * does, and whose log is durable after one. It sees to it that what is chosen is chosen in order, and is an entry.
 */
import assert from 'node:assert/strict'
import { ByteWriter, DIGEST_KEY_BYTES, Operation } from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import { ask } from '../../src/doors/ask.fixture.ts'
import { checkEntry, openEngine } from '../../src/engine/mod.ts'
import { buildEntry, withKey } from '../../src/engine/model.ts'
import { checkWriteBody } from '../../src/kv/write-body.ts'
import { Acceptor } from '../../src/paxos/acceptor.ts'
import type { BlockSet } from '../../src/paxos/block-set.ts'
import type { BlockState } from '../../src/paxos/block-state.ts'
import { type ChosenEntry, Core, type EntrySource, type LogSink, type Outbox } from '../../src/paxos/core.ts'
import { DigestAudit } from '../../src/paxos/digest-audit.ts'
import { Learner } from '../../src/paxos/learner.ts'
import { MessageWriter } from '../../src/paxos/messages.ts'
import { PendingWrite } from '../../src/paxos/pending.ts'
import { PendingRead } from '../../src/paxos/pending-read.ts'
import { type ProcessRef, ProcessTable } from '../../src/paxos/processes.ts'
import { Proposer } from '../../src/paxos/proposer.ts'
import { Reader } from '../../src/paxos/reader.ts'
import { Rejoin } from '../../src/paxos/rejoin.ts'
import { Applier } from '../../src/replica/applier.ts'
import { PeerMessages, type PeerMessagesOptions } from '../../src/replica/peer-messages.ts'
import { engineOptions } from './filled-engine.ts'

export const REPLICAS = 3
const DEADLINE_MS = 30_000
/** A frame is full long before; nobody takes these. */
const FULL_BYTES = 1 << 20
const AUDIT_MS = 60_000

/** A part that moves bytes and knows nothing of votes: whatever is said to it is heard by nobody. */
const deaf = <T>(): T => new Proxy({}, { get: () => () => {} }) as T

const KEY = new Uint8Array(DIGEST_KEY_BYTES).fill(7)
const NOOP = buildEntry(0, 0, [])

export class VotingReplica {
  readonly processes = new ProcessTable()
  /** Processes of the replicas, by number. */
  readonly refs: readonly ProcessRef[]
  readonly core: Core
  readonly acceptor: Acceptor
  readonly messages: PeerMessages
  violations = 0
  private readonly proposer: Proposer
  private readonly reader: Reader
  private readonly learner: Learner
  private readonly rejoin: Rejoin
  private readonly audit: DigestAudit
  private readonly engine = openEngine(engineOptions)
  private readonly applier: Applier
  private readonly chosen = new Map<number, number>()
  private readonly out = new ByteWriter(4096)
  private write = 1
  private durableWrite = 0

  constructor(random: Random, votes: BlockSet) {
    const { processes } = this
    this.refs = Array.from({ length: REPLICAS }, (_, replica) =>
      processes.intern({ group: 0, replica, incarnation: { number: 0, nonce: String(replica).repeat(16) }, boot: 1 }),
    )
    const self = this.refs[0] as ProcessRef
    const to = (): ByteWriter => {
      if (this.out.length > FULL_BYTES) this.out.reset()
      return this.out
    }
    const outbox: Outbox = { messages: new MessageWriter(processes, self), now: to, afterSync: to }
    this.core = new Core({
      processes,
      self,
      replica: 0,
      replicaCount: REPLICAS,
      log: this.log(),
      outbox,
      random: random.next,
      priority: (block) => [block % 3, (block + 1) % 3, (block + 2) % 3],
      votes,
      remember: () => this.durableWrite,
      checkEntry,
      violation: () => this.violations++,
    })
    const { core } = this
    core.isActive = true
    core.setCountable(0b111)
    core.live = 0b111
    core.nowMs = 1
    for (const [replica, ref] of this.refs.entries()) core.peerProcess[replica] = ref
    const takeSnapshot = (state: BlockState): void => {
      state.needsCopy = false
    }
    this.proposer = new Proposer(core, entrySource)
    this.learner = new Learner(core, (state, process, counter) => this.proposer.beforeChosen(state, process, counter), takeSnapshot)
    this.acceptor = new Acceptor(core, this.learner)
    this.proposer.connect(this.acceptor, this.learner)
    const done = (pending: { request?: { reply(error: number, body: Uint8Array): void } }): void =>
      pending.request?.reply(0, new Uint8Array(0))
    this.reader = new Reader(
      core,
      this.proposer,
      this.learner,
      done,
      () => {},
      () => {},
      () => true,
    )
    const digest = (block: number): string => this.engine.digest(block)
    this.rejoin = new Rejoin(core, this.learner, {
      logVotes: () => this.write,
      digest,
      copy: takeSnapshot,
      copySoon: () => {},
      namesVersion: () => 0,
      onStuck: () => {},
      onComplete: () => {},
    })
    const setAside = (state: BlockState): void => this.rejoin.setAside(state)
    this.audit = new DigestAudit(core, AUDIT_MS, { digest, onDifference: () => {}, setAside })
    this.applier = new Applier(core, this.engine, setAside, (entry) => this.expectNext(entry))
    this.messages = new PeerMessages({
      core,
      acceptor: this.acceptor,
      proposer: this.proposer,
      learner: this.learner,
      reader: this.reader,
      forwarder: deaf(),
      copier: deaf(),
      copyServer: deaf(),
      rejoin: this.rejoin,
      audit: this.audit,
      readEntry: async () => undefined,
      takeForwarded: (_from, _id, _timeoutMs, body) => this.submitWrite(body),
      sendPositions: () => {},
      recordMemories: () => this.write,
      onUnreadable: (error) => assert.fail(error),
      soon: () => {},
    } satisfies PeerMessagesOptions)
  }

  private log(): LogSink {
    const add = (): number => this.write
    const replica = this
    return {
      promise: add,
      accept: add,
      learned: add,
      chosen: () => {},
      get durableWrite() {
        return replica.durableWrite
      },
    }
  }

  submitWrite(body: Uint8Array): void {
    const shape = checkWriteBody(body)
    if (typeof shape === 'string') return
    const times = { arrivedMs: this.core.nowMs, deadlineMs: this.core.nowMs + DEADLINE_MS }
    this.proposer.submit(new PendingWrite(shape.block, ask(Operation.write, body, DEADLINE_MS), shape, times))
  }

  submitRead(block: number): void {
    this.reader.submit(new PendingRead(block, ask(Operation.get, new Uint8Array(0), DEADLINE_MS), this.core.nowMs + DEADLINE_MS))
  }

  /** As a turn of a replica; now and then time passes, and what waits is looked at. */
  turn(passedMs: number): void {
    const { core } = this
    this.applier.run()
    this.proposer.advanceReady()
    this.reader.begin()
    this.applier.run()
    this.rejoin.advance()
    this.audit.advance()
    this.reader.serveReady()
    this.durableWrite = this.write++
    this.proposer.onDurable(this.durableWrite)
    this.reader.onDurable(this.durableWrite)
    core.notices = []
    core.marks = []
    if (passedMs === 0) return
    core.nowMs += passedMs
    this.proposer.sweep()
    this.reader.sweep()
    this.learner.sweep()
    this.rejoin.sweep()
    this.audit.sweep()
  }

  private expectNext({ block, index, entry }: ChosenEntry): void {
    assert.equal(index, (this.chosen.get(block) ?? 0) + 1, `block ${block}: entry ${index} is chosen out of order`)
    assert.equal(checkEntry(block, index, entry), undefined, 'what is no entry is chosen')
    this.chosen.set(block, index)
  }

  close(): Promise<void> {
    return this.engine.close()
  }
}

const entrySource: EntrySource = {
  build: (state) => {
    state.inFlight = state.queue
    state.queue = []
    return entrySource.noop(state)
  },
  noop: (state) => (state.chosen === 0 ? withKey(NOOP, KEY) : NOOP),
  fail: (write) => write.answer(1, new Uint8Array(0)),
}
