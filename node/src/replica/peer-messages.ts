/** Routes the messages of peers' frames to the parts that answer them, and serves entries from the log. */
import type { Acceptor } from '../paxos/acceptor.ts'
import type { BatchContent, BatchWant } from '../paxos/batch-messages.ts'
import { BlockSet } from '../paxos/block-set.ts'
import { FETCH_BYTES, FETCH_ENTRIES } from '../paxos/constants.ts'
import type { Core } from '../paxos/core.ts'
import type { DigestAudit } from '../paxos/digest-audit.ts'
import type { Learner } from '../paxos/learner.ts'
import { FetchStatus, type PeerHandler } from '../paxos/messages.ts'
import type { ProcessRef } from '../paxos/processes.ts'
import type { Proposer } from '../paxos/proposer.ts'
import type { Reader } from '../paxos/reader.ts'
import type { Rejoin } from '../paxos/rejoin.ts'
import type { LoggedEntry } from '../wal/shared-log.ts'
import type { Copier } from './copier.ts'
import type { CopyServer } from './copy-server.ts'
import type { Forwarder } from './forwarder.ts'
import type { Peer } from './peers.ts'

/** Heartbeats in a row that name one position, not ours: a notice may wait for one of them, and be on its way at the next. */
const MOST_DIFFERING = 3

export interface PeerMessagesOptions {
  readonly core: Core
  readonly acceptor: Acceptor
  readonly proposer: Proposer
  readonly learner: Learner
  readonly reader: Reader
  readonly forwarder: Forwarder
  readonly copier: Copier
  readonly copyServer: CopyServer
  readonly rejoin: Rejoin
  readonly audit: DigestAudit
  readonly readEntry: (block: number, instance: number) => Promise<LoggedEntry | 'later' | undefined>
  readonly takeForwarded: (from: number, id: number, timeoutMs: number, body: Uint8Array) => void
  readonly sendPositions: (to: number) => void
  /** Puts what is remembered of peers into the log; returns the write that carries it. */
  readonly recordMemories: () => number
  /** What was durable cannot be read. */
  readonly onUnreadable: (error: Error) => void
  readonly soon: () => void
}

export class PeerMessages implements PeerHandler {
  private readonly options: PeerMessagesOptions
  /** Sender of the frame being read. */
  private peer!: Peer
  private from = 0

  constructor(options: PeerMessagesOptions) {
    this.options = options
  }

  /** The next messages come from `peer`. */
  begin(peer: Peer): void {
    this.peer = peer
    this.from = peer.replica
    this.options.reader.dropAnswer()
  }

  onAccept(
    block: number,
    instance: number,
    round: number,
    prevProcess: ProcessRef,
    prevCounter: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): void {
    this.options.acceptor.onAccept(this.from, block, instance, round, prevProcess, prevCounter, valueProcess, valueCounter, entry)
  }

  onAccepted(block: number, instance: number, round: number): void {
    this.options.proposer.onAccepted(this.from, block, instance, round)
  }

  onRefused(block: number, instance: number, promisedRound: number): void {
    this.options.proposer.onRefused(block, instance, promisedRound)
  }

  onBehind(block: number, instance: number): void {
    this.options.proposer.onBehind(block, instance)
  }

  onAhead(block: number, chosen: number): void {
    this.options.proposer.onAhead(this.from, block, chosen)
  }

  onPrepare(block: number, instance: number, round: number, prevProcess: ProcessRef, prevCounter: number): void {
    this.options.acceptor.onPrepare(this.from, block, instance, round, prevProcess, prevCounter)
  }

  onPromise(
    block: number,
    instance: number,
    round: number,
    acceptedRound: number,
    acceptedProcess: ProcessRef,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array | undefined,
  ): void {
    this.options.proposer.onPromise(this.from, block, instance, round, acceptedRound, acceptedProcess, valueProcess, valueCounter, entry)
  }

  onChosen(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number): void {
    this.options.learner.onChosen(this.from, block, instance, valueProcess, valueCounter)
  }

  onFetch(block: number, from: number, question: number): void {
    this.serveFetch(this.from, block, from, question).catch((error: unknown) => this.options.onUnreadable(error as Error))
  }

  onEntry(question: number, block: number, instance: number, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): void {
    this.options.learner.onEntry(this.from, question, block, instance, valueProcess, valueCounter, entry)
  }

  onEntriesEnd(question: number, block: number, chosen: number, status: number): void {
    this.options.learner.onEntriesEnd(this.from, question, block, chosen, status)
  }

  onReadRoundBlock(round: number, block: number, chosen: number): void {
    this.options.reader.onRoundBlock(this.from, round, block, chosen)
  }

  onReadRoundEnd(): void {
    this.options.reader.onRoundEnd()
  }

  onReadException(round: number, block: number, chosen: number, acceptedRound: number, acceptedProcess: ProcessRef): void {
    this.options.reader.onException(this.from, round, block, chosen, acceptedRound, acceptedProcess)
  }

  onReadAbsence(round: number, block: number): void {
    this.options.reader.onAbsence(this.from, round, block)
  }

  onReadAnswerEnd(round: number): void {
    this.options.reader.onAnswerEnd(this.from, round)
  }

  onForward(id: number, timeoutMs: number, body: Uint8Array): void {
    this.options.takeForwarded(this.from, id, timeoutMs, body)
  }

  onForwardAnswer(id: number, error: number, body: Uint8Array): void {
    this.options.forwarder.onAnswer(this.from, id, error, body)
  }

  onSettle(block: number, instance: number): void {
    const { core, proposer } = this.options
    const chosen = core.peek(block)?.chosen ?? 0
    if (instance > chosen) {
      proposer.settle(block, instance)
      return
    }
    // It is settled; the peer just has not heard.
    const out = core.outbox.now(this.from)
    if (out !== undefined) core.outbox.messages.ahead(out, block, chosen)
  }

  onPosition(block: number, chosen: number): void {
    this.options.learner.onPosition(this.from, block, chosen)
  }

  onWantPositions(): void {
    this.options.sendPositions(this.from)
  }

  onWantBatch(question: number, wants: readonly BatchWant[]): void {
    this.options.copyServer.onWantBatch(this.from, question, wants)
  }

  onBatchHead(question: number, contents: readonly BatchContent[]): void {
    this.options.copier.onHead(this.from, question, contents)
  }

  onWantPart(question: number, part: number): void {
    this.options.copyServer.onWantPart(this.from, question, part)
  }

  onBatchPart(question: number, part: number, syncWaitMs: number, bytes: Uint8Array): void {
    this.options.copier.onPart(this.from, question, part, syncWaitMs, bytes)
  }

  onBatchGone(question: number, isBusy: boolean): void {
    this.options.copier.onGone(this.from, question, isBusy)
  }

  onDropBatch(question: number): void {
    this.options.copyServer.onDrop(this.from, question)
  }

  /**
   * Two idle replicas with different positions have lost a notice: one of them asks for the other's. While entries
   * flow the sums differ all the time and say nothing.
   */
  onHeartbeat(chosenTotal: number, chosenHash: number, votes: Uint8Array | undefined): void {
    const { core } = this.options
    const { peer } = this
    // A block may come and go: one that is set aside does not vote for a while.
    if (votes !== undefined) core.peerVotes[this.from] = BlockSet.of(votes)
    else if (!(core.peerVotes[this.from] as BlockSet).isFull) core.peerVotes[this.from] = BlockSet.full()
    const isSame = chosenTotal === peer.chosenTotal && chosenHash === peer.chosenHash
    const differs = chosenHash !== core.chosenHash >>> 0 || chosenTotal !== core.chosenTotal
    peer.differs = isSame && differs ? peer.differs + 1 : 0
    peer.chosenTotal = chosenTotal
    peer.chosenHash = chosenHash
    if (peer.differs < MOST_DIFFERING) return
    peer.differs = 0
    const out = core.outbox.now(this.from)
    if (out !== undefined) core.outbox.messages.wantPositions(out)
  }

  onBarrierQuery(question: number): void {
    // What the learner's hello said is in memory; its answer rests on the record of it being durable.
    this.options.rejoin.onQuery(this.from, question, this.options.recordMemories())
  }

  onBarrier(block: number, index: number): void {
    this.options.rejoin.onBarrier(block, index)
  }

  onBarrierEnd(question: number, votes: Uint8Array | undefined): void {
    this.options.rejoin.onBarrierEnd(this.from, question, votes)
  }

  onDigestQuery(block: number): void {
    this.options.rejoin.onDigestQuery(this.from, block)
  }

  onDigestAnswer(block: number, index: number, digest: string): void {
    const { audit, rejoin } = this.options
    if (!audit.onDigestAnswer(this.from, block, index, digest)) rejoin.onDigestAnswer(this.from, block, index, digest)
  }

  onAuditHint(block: number): void {
    this.options.audit.onHint(block)
  }

  /** Answers a fetch with entries from the log, or says that a snapshot is needed. */
  private async serveFetch(to: number, block: number, from: number, question: number): Promise<void> {
    const { core, readEntry, soon } = this.options
    const state = core.block(block)
    const entries: LoggedEntry[] = []
    let bytes = 0
    let isMissing = false
    for (let index = from; index <= state.chosen && entries.length < FETCH_ENTRIES && bytes < FETCH_BYTES; index++) {
      // Checked each time: a snapshot may have been installed since the last entry was read.
      const found = index <= state.snapshotIndex ? undefined : await readEntry(block, index)
      isMissing = found === undefined
      if (found === undefined || found === 'later') break
      entries.push(found)
      bytes += found.entry.length
    }
    const out = core.outbox.now(to)
    if (out === undefined) return
    const countAt = core.outbox.messages.entriesBegin(out, block, from, question)
    for (const { valueProcess, valueCounter, entry } of entries) core.outbox.messages.entry(out, valueProcess, valueCounter, entry)
    const status = entries.length === 0 && isMissing ? FetchStatus.needsSnapshot : FetchStatus.ok
    core.outbox.messages.entriesEnd(out, countAt, entries.length, state.chosen, status)
    soon()
  }
}
