/**
 * One replica of one group: the Paxos core of all its blocks, its shared log, its engine and its peers, run in *turns*.
 *
 * Input (frames, requests, finished syncs, the sweep) changes state at once and asks for a turn; a turn comes after all
 * input at hand has been taken, so that everything which arrived together is decided together:
 *
 *     1. apply what was chosen (one call into the engine) and answer its writes
 *     2. propose for every block that can go on: records into the log, Accepts into the frames
 *     3. begin the next read round, unless one is in flight; answer the reads that may be answered
 *     4. start the log's next write, unless one is being synced; send the frames
 *
 * Order of effects: what step 2 puts into the log is durable before any vote for it leaves (votes wait in the frame of
 * their write), and chosen entries are applied before anything reads the block again.
 */
import { DIGEST_KEY_BYTES, ThermoclineError } from '@thermocline/protocol'
import { checkEntry } from '../engine/mod.ts'
import { EntryBuilder } from '../kv/entry-builder.ts'
import { Acceptor } from '../paxos/acceptor.ts'
import { BlockSet } from '../paxos/block-set.ts'
import type { BlockState } from '../paxos/block-state.ts'
import { SWEEP_MS } from '../paxos/constants.ts'
import { Core } from '../paxos/core.ts'
import { DigestAudit } from '../paxos/digest-audit.ts'
import type { PeerHello } from '../paxos/frames.ts'
import { Learner } from '../paxos/learner.ts'
import { MessageWriter, readMessages } from '../paxos/messages.ts'
import { type ProcessRef, ProcessTable } from '../paxos/processes.ts'
import { Proposer } from '../paxos/proposer.ts'
import { Reader } from '../paxos/reader.ts'
import { Rejoin } from '../paxos/rejoin.ts'
import { replayLog } from '../wal/replay.ts'
import { SegmentPool } from '../wal/segment-pool.ts'
import { SharedLog } from '../wal/shared-log.ts'
import { admitWrite, type Load } from './admission.ts'
import { Applier } from './applier.ts'
import { confirm } from './confirmation.ts'
import { Copier } from './copier.ts'
import { CopyRate, SLOW_SYNC_MS } from './copy-rate.ts'
import { CopyServer } from './copy-server.ts'
import { Flusher } from './flusher.ts'
import { Forgetter } from './forgetter.ts'
import { Forwarder } from './forwarder.ts'
import { greetings } from './greetings.ts'
import { Members } from './members.ts'
import { Notices } from './notices.ts'
import { PeerMemories } from './peer-memory.ts'
import { PeerMessages } from './peer-messages.ts'
import { type Peer, Peers } from './peers.ts'
import { ReadServer } from './read-server.ts'
import { Recovery } from './recovery.ts'
import type { ReplicaOptions } from './replica-options.ts'
import { Requests, refuse } from './requests.ts'

/** Log bytes that may wait to be written before nothing more is taken in. */
const MAX_PENDING_LOG_BYTES = 16 * 1024 * 1024
/** How often a full volume is tried again. */
const SPACE_CHECK_MS = 1000

export class Replica {
  private readonly options: ReplicaOptions
  readonly processes = new ProcessTable()
  readonly memories = new PeerMemories()
  readonly core: Core
  readonly peers: Peers
  readonly log: SharedLog
  readonly proposer: Proposer
  readonly reader: Reader
  readonly applier: Applier
  readonly readServer: ReadServer
  readonly forwarder: Forwarder
  readonly forgetter: Forgetter
  readonly copier: Copier
  readonly copyServer: CopyServer
  readonly flusher: Flusher
  readonly rejoin: Rejoin
  readonly audit: DigestAudit
  readonly members: Members
  private readonly notices: Notices
  private readonly learner: Learner
  private readonly peerMessages: PeerMessages
  readonly requests: Requests

  private isTurnDue = false
  private isTurning = false
  private isStopping = false
  private stopSweep: (() => void) | undefined
  private lastSpaceCheckMs = 0
  private syncStartedMs = 0
  /** The volume still says `learner`: which blocks vote stands in the log. */
  private isLearner: boolean
  /** What replay found: whole writes, entries applied, whether a torn tail was cut. */
  replayed = { writes: 0, entries: 0, lastWrite: 0, cutTail: false }
  readonly counters = { turns: 0, violations: 0, setAside: 0 }
  private isLogOpen = false

  constructor(options: ReplicaOptions) {
    this.options = options
    const { volume, engine } = options
    this.isLearner = volume.standing === 'learner'
    const self = this.processes.intern({
      group: volume.group,
      replica: volume.replica,
      incarnation: volume.incarnation,
      boot: volume.boot,
    })
    this.memories.name(volume.replica, volume.incarnation)
    this.log = new SharedLog({
      processes: this.processes,
      onDurable: (write) => this.onDurable(write),
      onFailure: (error) => options.fatal(error),
      onDamage: (message) => this.members.reject(message),
      beforeWrite: () => {
        this.core.writeMarks()
        this.memories.logChanges(this.log)
      },
    })
    this.peers = this.makePeers(self)
    this.core = new Core({
      processes: this.processes,
      self,
      replica: volume.replica,
      replicaCount: options.replicaCount,
      log: this.log,
      outbox: this.peers,
      random: options.random,
      priority: options.priority,
      votes: this.isLearner ? new BlockSet() : BlockSet.full(),
      remember: (peer) => this.memories.remember(peer, this.log),
      checkEntry,
      violation: (what) => {
        this.counters.violations++
        options.violated(what)
      },
    })
    this.members = new Members({
      volume,
      bootNonce: options.bootNonce,
      core: this.core,
      peers: this.peers,
      memories: this.memories,
      isNamed: options.isNamed,
      onRejected: options.onRejected,
    })
    this.notices = new Notices(this.core, this.peers)
    this.proposer = new Proposer(this.core, this.makeEntryBuilder())
    this.learner = new Learner(
      this.core,
      (state, process, counter) => this.proposer.beforeChosen(state, process, counter),
      (state, from) => this.copier.want(state, from),
    )
    const acceptor = new Acceptor(this.core, this.learner)
    this.proposer.connect(acceptor, this.learner)
    this.readServer = new ReadServer(engine)
    this.reader = new Reader(
      this.core,
      this.proposer,
      this.learner,
      (read) => this.readServer.serve(read),
      (validation) => this.readServer.answer(validation),
      (read, message) => refuse(read.request, 'unavailable', 0, message),
      () => this.readServer.hasRoom(),
    )
    this.applier = new Applier(this.core, engine, (state, reason) => this.setAside(state, reason), options.observer)
    this.forwarder = new Forwarder(
      this.core,
      (write) => this.proposer.submit(write),
      (replica) => this.peers.all[replica]?.lastHeardMs ?? 0,
    )
    this.forgetter = new Forgetter(this.core, engine, this.proposer, options)
    const rate = new CopyRate()
    this.copier = new Copier({
      core: this.core,
      engine,
      log: this.log,
      rate,
      isStrained: () => this.isStrained(),
      abandon: (state) => this.proposer.abandon(state),
      onWork: () => this.soon(),
    })
    this.copyServer = new CopyServer({
      core: this.core,
      engine,
      rate,
      isStrained: () => this.isStrained(),
      syncWaitMs: () => this.load().syncWaitMs,
      wantFlush: () => this.flusher.want(),
      flushes: () => this.flusher.flushes,
      onWork: () => this.soon(),
    })
    this.flusher = new Flusher({
      core: this.core,
      engine,
      log: this.log,
      memories: this.memories,
      isLearner: () => this.isLearner,
      onFull: (error) => options.warn('flushing to disk failed; it is tried again', { error: String(error) }),
      onFailure: (error) => {
        // Damage has its own end: the volume is marked first.
        if (!(error instanceof ThermoclineError) || error.code !== 'corrupt') options.fatal(error)
      },
      onDone: () => this.soon(),
    })
    this.rejoin = new Rejoin(this.core, this.learner, {
      logVotes: (votes) => this.log.votes(votes),
      digest: (block) => engine.digest(block),
      copy: (state, from) => this.copier.want(state, from),
      copySoon: (block) => this.copier.copySoon(block),
      namesVersion: () => this.memories.naming.version,
      onStuck: (block, reason) => options.warn(reason, { block }),
      onComplete: () => {
        if (this.isLearner) options.onComplete()
      },
    })
    this.audit = new DigestAudit(this.core, options.auditMs, {
      digest: (block) => engine.digest(block),
      onDifference: (block, index, digests) =>
        options.warn('replicas differ in what they hold of a block', { block, index, digests: Object.fromEntries(digests) }),
      setAside: (state, reason) => this.setAside(state, reason),
    })
    this.requests = new Requests({
      core: this.core,
      rejoin: this.rejoin,
      peers: this.peers,
      proposer: this.proposer,
      forwarder: this.forwarder,
      reader: this.reader,
      limits: { ...options.limits, maxAnswers: options.maxAnswers },
      load: () => this.load(),
      owns: options.owns,
      epoch: options.epoch,
      now: () => this.now(),
      soon: () => this.soon(),
      isStopping: () => this.isStopping,
    })
    this.peerMessages = new PeerMessages({
      core: this.core,
      acceptor,
      proposer: this.proposer,
      learner: this.learner,
      reader: this.reader,
      forwarder: this.forwarder,
      copier: this.copier,
      copyServer: this.copyServer,
      rejoin: this.rejoin,
      audit: this.audit,
      readEntry: (block, instance) => this.log.readEntry(block, instance),
      takeForwarded: (from, id, timeoutMs, body) => this.requests.takeForwarded(from, id, timeoutMs, body),
      sendPositions: (to) => this.notices.answerPositions(to),
      recordMemories: () => {
        this.memories.logChanges(this.log)
        return this.log.force()
      },
      onUnreadable: (error) => options.fatal(error),
      soon: () => this.soon(),
    })
  }

  private makeEntryBuilder(): EntryBuilder {
    const { engine, clock, maxAnswers, answerAgeMs, randomHex } = this.options
    return new EntryBuilder({
      engine,
      digestKey: () => Buffer.from(randomHex(DIGEST_KEY_BYTES), 'hex'),
      wallClockMs: () => clock.wallMs(),
      nowMs: () => this.core.nowMs,
      maxAnswers,
      answerAgeMs,
      resume: (state, phase, read) => {
        this.proposer.resumeReading(state, phase, read)
        this.soon()
      },
    })
  }

  private makePeers(self: ProcessRef): Peers {
    const { options } = this
    return new Peers({
      replica: options.volume.replica,
      replicaCount: options.replicaCount,
      messages: new MessageWriter(this.processes, self),
      memories: this.memories,
      nowMs: () => options.clock.nowMs(),
      hello: () => this.members.hello(),
      admit: (hello) => this.members.admit(hello),
      confirm: (claim) => confirm(options.network, claim),
      isOwn: (claim) => this.members.isOwn(claim),
      judge: (hello) => this.members.judge(hello),
      processOf: (hello) => this.processes.intern(hello.process),
      durableWrite: () => this.log.durableWrite,
      epoch: options.epoch,
      onReady: (peer, hello) => this.onPeerReady(peer, hello),
      onLost: (peer) => this.onPeerLost(peer),
      onFrame: (peer, reader, epoch) => {
        this.core.nowMs = options.clock.nowMs()
        if (epoch > options.epoch()) options.onEpochSeen(epoch)
        this.peerMessages.begin(peer)
        readMessages(reader, this.processes, peer.process, this.peerMessages)
        this.soon()
      },
      onClaims: () => this.members.update(),
      onVerdict: (replica, code, message) => this.members.onVerdict(replica, code, message),
    })
  }

  /**
   * Replays the log, makes what it found count, and begins to serve.
   * @throws ThermoclineError `corrupt`, `unsupported_version`; errors of the disk.
   */
  async start(): Promise<void> {
    const { options } = this
    const { volume, clock } = options
    options.engine.noteTime(this.now())
    const recovery = new Recovery(this.core, this.learner, this.memories)
    recovery.takePositions(options.engine)
    const found = await replayLog(options.logFolder, options.segmentBytes, volume.incarnation.nonce, this.processes, recovery, () =>
      this.applyReplayed(),
    )
    recovery.finish()
    await this.applyReplayed()
    if (this.isLearner) this.rejoin.resume(recovery.votes)
    this.core.marks.length = 0
    for (const state of this.core.known) state.markPending = false
    this.replayed = { writes: found.writes, entries: recovery.replayed, lastWrite: found.lastWrite, cutTail: found.cutTail }
    this.members.logEnd = found.lastWrite
    const pool = new SegmentPool(
      {
        folder: options.logFolder,
        segmentBytes: options.segmentBytes,
        retainSegments: options.retainSegments,
        volumeNonce: volume.incarnation.nonce,
        randomHex: options.randomHex,
        flushNumber: () => options.engine.flushNumber(),
        onSpare: () => {
          this.log.start()
          this.soon()
        },
        onFull: (error) => options.warn('no new log segment could be made', { error: String(error) }),
      },
      found,
    )
    // Boots that ended before their first write was durable may each have tried one number: leave those out.
    const firstWrite = found.lastWrite + Math.max(1, volume.boot - found.lastBoot)
    this.log.open({ pool, index: found.index, lastWrite: found.lastWrite, firstWrite })
    this.isLogOpen = true
    const bootWrite = this.log.boot(volume.boot)
    for (const state of this.core.known) {
      if (!state.isSetAside) continue
      this.rejoin.setAside(state)
      this.log.aside(state.block, state.chosen, state.chosenProcess, state.chosenCounter)
    }
    this.memories.logAll(this.log)
    if (this.isLearner) this.log.votes(this.core.votes)
    // On a full volume the first write waits for a segment: look for space until there is some.
    const stopTrying = clock.every(SPACE_CHECK_MS, () => pool.prepare())
    await this.log.durable(bootWrite)
    stopTrying()
    pool.prepare()
    options.network.start((link, replica) => this.peers.onLink(link, replica))
    await greetings(clock, this.peers, () => this.members.isRejected)
    // A peer has said meanwhile that this volume was rolled back or replaced: it takes no part.
    if (this.members.isRejected) return
    this.core.isActive = true
    this.members.update()
    this.stopSweep = clock.every(SWEEP_MS, () => this.sweep())
    for (const peer of this.peers.all) {
      const out = this.peers.now(peer.replica)
      if (out !== undefined) this.peers.messages.wantPositions(out)
    }
    // A process before this one learned the last block, and ended before the volume's file said so.
    if (this.isLearner && this.rejoin.isComplete) options.onComplete()
    this.soon()
  }

  /** The block's content is not what was chosen. The others have it right: it is copied from them, and compared, before it votes. */
  private setAside(state: BlockState, reason: string): void {
    this.options.warn('a block is set aside: it serves and votes nothing here until it is copied from another replica', {
      block: state.block,
      reason,
    })
    this.counters.setAside++
    this.proposer.abandon(state)
    this.rejoin.setAside(state)
    // What replay sets aside is put down once the log is open.
    if (this.isLogOpen) this.log.aside(state.block, state.chosen, state.chosenProcess, state.chosenCounter)
    this.soon()
  }

  /** The volume says `voter` again: the log need not name the blocks any more. */
  noteVoter(): void {
    this.isLearner = false
  }

  /**
   * Applies what replay has proven, and flushes when the memory component is full. On a full volume it goes on in
   * memory, within the bound that replayed log bytes have: reads must be served, and the flush is tried again later.
   */
  private async applyReplayed(): Promise<void> {
    const { engine } = this.options
    this.applier.run()
    if (!engine.rotationDue()) return
    if (!this.flusher.isBusy) engine.rotate()
    try {
      await engine.flush()
      this.flusher.adoptFrozen(false)
    } catch (error) {
      if (!(error instanceof ThermoclineError) || error.code !== 'disk_full') throw error
      this.flusher.adoptFrozen(true)
    }
  }

  /** Stops taking work, lets what is under way finish for at most `drainMs`, flushes, closes. */
  async stop(drainMs: number): Promise<void> {
    const { clock, engine, network } = this.options
    this.isStopping = true
    const until = clock.nowMs() + drainMs
    await new Promise<void>((resolve) => {
      const stopWaiting = clock.every(SWEEP_MS, () => {
        const isBusy = this.requests.waitingWrites > 0 || this.requests.waitingReads > 0 || this.flusher.isBusy
        if (isBusy && clock.nowMs() < until) return
        stopWaiting()
        resolve()
      })
    })
    // Peers would have to settle anew what they are not told now.
    this.notices.send()
    this.peers.flushRequests()
    network.stop()
    this.core.isActive = false
    this.peers.closeAll()
    if (!this.flusher.isBusy) {
      this.applier.run()
      await this.flusher.flushNow()
    }
    this.stopSweep?.()
    await this.log.close()
    await engine.close()
  }

  /** Stops at once, as a crash would leave it: for the simulator. */
  halt(): void {
    this.isStopping = true
    this.core.isActive = false
    this.stopSweep?.()
  }

  /** The block's digest at its applied index. */
  digest(block: number): string {
    return this.options.engine.digest(block)
  }

  load(): Load {
    const { engine } = this.options
    const isFrozen = this.flusher.isBusy
    return {
      writes: this.requests.waitingWrites,
      writeBytes: this.requests.waitingWriteBytes,
      reads: this.requests.waitingReads,
      readBytes: this.requests.waitingReadBytes,
      syncWaitMs: this.log.isBusy ? this.options.clock.nowMs() - this.syncStartedMs : 0,
      isDiskFull: this.log.pool.isFull || this.flusher.isFailing,
      isMemoryFull: isFrozen && engine.rotationDue(),
      answers: engine.answersRemembered,
    }
  }

  /** Copies have to make room: the log is slow, or clients are refused. */
  private isStrained(): boolean {
    const { limits, maxAnswers } = this.options
    const load = this.load()
    return load.syncWaitMs > SLOW_SYNC_MS || admitWrite(load, { ...limits, maxAnswers }) !== undefined
  }

  // ── Turns ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private now(): number {
    this.core.nowMs = this.options.clock.nowMs()
    return this.core.nowMs
  }

  /** Asks for a turn. */
  soon(): void {
    if (this.isTurnDue || this.isTurning) {
      this.isTurnDue = true
      return
    }
    this.isTurnDue = true
    this.options.clock.soon(() => this.turn())
  }

  private turn(): void {
    this.isTurnDue = false
    if (!this.core.isActive) {
      this.peers.flushRequests()
      return
    }
    this.isTurning = true
    this.options.engine.noteTime(this.now())
    this.readServer.beginTurn()
    this.counters.turns++
    this.applier.run()
    this.proposer.advanceReady()
    this.reader.begin()
    // A round of one replica ends at once, and proofs from rounds may have chosen something.
    this.applier.run()
    this.rejoin.advance()
    this.audit.advance()
    if (this.reader.serveReady()) this.isTurnDue = true
    this.flusher.advance()
    this.copier.advance()
    this.copyServer.advance()
    this.notices.onTurn()
    // Frames first: a peer's sync is the longer way to a majority.
    this.peers.flushRequests()
    if (!this.log.isBusy) this.syncStartedMs = this.core.nowMs
    this.log.start()
    this.isTurning = false
    if (this.isTurnDue || this.core.ready.length > 0) {
      this.isTurnDue = false
      this.soon()
    }
  }

  private onDurable(write: number): void {
    this.now()
    this.proposer.onDurable(write)
    this.reader.onDurable(write)
    this.peers.releaseVotes(write)
    this.soon()
  }

  private sweep(): void {
    this.options.engine.noteTime(this.now())
    this.peers.dropDead()
    this.core.live = this.peers.liveMask()
    this.choke()
    // Deadlines end also for what a replica that does not vote any more has taken on.
    this.proposer.sweep()
    this.reader.sweep()
    if (!this.core.isActive) return
    this.learner.sweep()
    this.forwarder.sweep()
    this.copier.sweep()
    this.copyServer.sweep()
    this.rejoin.sweep()
    this.audit.sweep()
    this.forgetter.sweep()
    this.notices.sweep(this.reader.hasAnswered)
    this.reader.hasAnswered = false
    this.soon()
  }

  /** Stops taking in what could not be kept: the log waits for space, or both memory components are full. */
  private choke(): void {
    const isMemoryFull = this.flusher.isBusy && this.options.engine.rotationDue()
    this.core.isChoked = isMemoryFull || this.log.pendingBytes > MAX_PENDING_LOG_BYTES
    if (this.log.pool.isFull && this.core.nowMs - this.lastSpaceCheckMs > SPACE_CHECK_MS) {
      this.lastSpaceCheckMs = this.core.nowMs
      this.log.pool.prepare()
    }
  }

  private onPeerReady(peer: Peer, hello: PeerHello): void {
    this.now()
    if (this.members.take(peer, hello)) {
      this.proposer.forgetVotes(peer.replica)
      this.reader.forgetAnswers(peer.replica)
    }
    // At least an empty frame: it tells the peer that its hello was taken.
    this.peers.now(peer.replica)
    this.notices.sendPositions(peer.replica)
    this.proposer.onPeerReady(peer.replica)
    this.soon()
  }

  private onPeerLost(peer: Peer): void {
    this.now()
    this.members.lose(peer)
    this.learner.onPeerLost(peer.replica)
    this.forwarder.onPeerLost(peer.replica)
    this.copier.onPeerLost(peer.replica)
    this.copyServer.onPeerLost(peer.replica)
    this.soon()
  }
}

export const openReplica = (options: ReplicaOptions): Replica => new Replica(options)
