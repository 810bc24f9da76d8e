/**
 * Sees everything that the replicas of a run do, and shows it to the invariants. It stands outside: it wraps the log of
 * each process life, and gets what the replica hands its observer; nothing it does changes the run.
 */
import type { Engine } from '../../src/engine/mod.ts'
import { NO_ROUND, Phase } from '../../src/paxos/block-state.ts'
import type { ChosenEntry } from '../../src/paxos/core.ts'
import { NO_PROCESS, type ProcessRef, ProcessTable } from '../../src/paxos/processes.ts'
import type { Replica } from '../../src/replica/replica.ts'
import type { Volume } from '../../src/replica/volume.ts'
import type { SharedLog } from '../../src/wal/shared-log.ts'
import { BallotLedger, type Names } from './ballot-ledger.ts'
import { CountedVotes } from './counted-votes.ts'
import { Decided } from './decided.ts'
import type { HistoryRecord } from './history.ts'
import type { Invariant, Vote } from './invariant.ts'
import { allInvariants } from './invariants/mod.ts'
import type { SimVolume } from './volume.ts'

/** One process on one volume. */
export interface Life {
  readonly number: number
  /** Another object, once the volume has to forget its votes. */
  volume: SimVolume
  /** What the volume's file says, once it has joined its group. */
  found: Volume | undefined
  isAlive: boolean
  /** Blocks whose content is wrong in this process. */
  readonly rotten: Set<number>
  /** Undefined until its node opens it. */
  made?: Replica
  /** Undefined until it serves. */
  replica: Replica | undefined
  /** A peer has told it that its volume must not vote. */
  isRejected?: boolean
}

/** A process of one life as a ref of the run's table. */
type Shared = (ref: ProcessRef) => ProcessRef

export class Watch {
  /** Processes of all lives. */
  private readonly processes = new ProcessTable()
  private readonly ledger: BallotLedger
  readonly decided = new Decided()
  readonly history: HistoryRecord[] = []
  private readonly invariants: readonly Invariant[]
  private readonly volumes = new Set<SimVolume>()
  /** What each process keeps its log on. */
  private readonly volumeOf = new Map<ProcessRef, SimVolume>()
  /** A replica of the run lies: others are right to say that it breaks the protocol. */
  hasLiar = false
  /** The first violation of the run. */
  failure: Error | undefined

  constructor(replicaCount: number) {
    this.ledger = new BallotLedger(replicaCount)
    this.invariants = allInvariants(this.ledger, this.processes)
  }

  /** A broken invariant ends the run; the replica that met it goes on meanwhile. */
  private show(event: (invariant: Invariant) => void): void {
    try {
      for (const invariant of this.invariants) event(invariant)
    } catch (error) {
      this.failure ??= error as Error
    }
  }

  /** A process has been made on the volume; nothing is replayed yet. */
  starting(life: Life, replica: Replica, engine: Engine): void {
    const { number, volume } = life
    const { log, processes } = replica
    this.volumes.add(volume)
    volume.votes.follow(log, this.onDurable)
    volume.disk.onLogWrite = (file, bytes, offset) => {
      const gone = volume.segments.note(file, bytes, offset)
      this.settle()
      if (gone !== undefined) this.show((invariant) => invariant.onRecycled?.(number, volume, gone, engine))
    }
    const shared = this.shared(processes)
    const names = this.namesOf(replica)
    this.volumeOf.set(shared(replica.core.self), volume)
    this.followLog(life, replica, names, shared)
    this.followNames(life, replica)
    this.followProposer(life, replica, names, shared)
    this.followChosen(life, replica, shared)
    this.followRejoin(number, replica, shared)
    this.followServing(life, replica, shared)
  }

  private followLog({ number, volume }: Life, { log, core }: Replica, names: () => Names, shared: Shared): void {
    const { incarnation } = core.processes.get(core.self)
    const note = (
      kind: Vote['kind'],
      block: number,
      instance: number,
      round: number,
      by: ProcessRef,
      value: string,
      write: number,
    ): void => {
      this.settle()
      const process = shared(by)
      const ballot = this.ledger.ballot(block, instance, round, process)
      const state = core.block(block)
      const voter = { replica: number, incarnation, names: names(), volume }
      const vote: Vote = { kind, ...voter, block, instance, round, process, value, write, state, ballot }
      volume.votes.add(vote)
      if (kind === 'learned') return
      this.show((invariant) => invariant.onVote?.(vote))
      if (kind === 'accept') ballot.value ||= value
    }
    const promise = log.promise.bind(log)
    log.promise = (block, instance, round, by) => {
      const write = promise(block, instance, round, by)
      note('promise', block, instance, round, by, '', write)
      return write
    }
    const accept = log.accept.bind(log)
    log.accept = (block, instance, round, by, prevProcess, prevCounter, valueProcess, valueCounter, entry) => {
      const write = accept(block, instance, round, by, prevProcess, prevCounter, valueProcess, valueCounter, entry)
      note('accept', block, instance, round, by, `${shared(valueProcess)}#${valueCounter}`, write)
      return write
    }
    const learned = log.learned.bind(log)
    log.learned = (block, instance, valueProcess, valueCounter, entry) => {
      const write = learned(block, instance, valueProcess, valueCounter, entry)
      note('learned', block, instance, NO_ROUND, NO_PROCESS, `${shared(valueProcess)}#${valueCounter}`, write)
      return write
    }
  }

  /** The names of a process at this moment: they are copied once each time they change. */
  private namesOf({ memories }: Replica): () => Names {
    let naming: object | undefined
    let names: Names = new Map()
    return () => {
      if (memories.naming !== naming) names = new Map(memories.named)
      naming = memories.naming
      return names
    }
  }

  private followNames({ volume }: Life, { log }: Replica): void {
    volume.names.follow(log, volume.onDurableName)
    volume.memories.follow(log, volume.onDurableMemory)
    const named = log.named.bind(log)
    log.named = (replica, incarnation) => {
      named(replica, incarnation)
      volume.names.add({ replica, incarnation, write: fillingWrite(log) })
    }
    const peer = log.peer.bind(log)
    log.peer = (memory) => {
      const write = peer(memory)
      const { replica, incarnation } = memory
      volume.names.add({ replica, incarnation, write })
      volume.memories.add({ replica, incarnation, peerWrite: memory.write, write })
      return write
    }
  }

  private followProposer({ number, volume }: Life, replica: Replica, names: () => Names, shared: Shared): void {
    const { core } = replica
    new CountedVotes(replica, ({ block, chosen, round, phase }, votes) => {
      this.settle()
      const instance = chosen + 1
      const kind = phase === Phase.preparing ? 'promise' : 'accept'
      const ballot = this.ledger.ballot(block, instance, round, shared(core.self))
      this.show((invariant) =>
        invariant.onCounted?.({ replica: number, volume, block, instance, round, kind, votes, names: names(), ballot }),
      )
    })
  }

  private followChosen({ volume }: Life, { proposer }: Replica, shared: Shared): void {
    const beforeChosen = proposer.beforeChosen.bind(proposer)
    proposer.beforeChosen = (state, valueProcess, valueCounter) => {
      volume.noteChosen(state.block, state.chosen + 1, `${shared(valueProcess)}#${valueCounter}`)
      return beforeChosen(state, valueProcess, valueCounter)
    }
  }

  private followRejoin(number: number, { core, rejoin }: Replica, shared: Shared): void {
    const { incarnation } = core.processes.get(core.self)
    const onBarrierEnd = rejoin.onBarrierEnd.bind(rejoin)
    rejoin.onBarrierEnd = (from, question, votes) => {
      if (rejoin.isAsked(from, question)) {
        this.settle()
        const durablyNamed = this.volumeOf.get(shared(core.peerProcess[from] as ProcessRef))?.durableNames.get(number)
        this.show((invariant) => invariant.onBarrierTaken?.({ learner: number, incarnation, from, durablyNamed }))
      }
      onBarrierEnd(from, question, votes)
    }
  }

  private followServing({ number, volume }: Life, { peers: { messages } }: Replica, shared: Shared): void {
    let block = 0
    let next = 0
    const entriesBegin = messages.entriesBegin.bind(messages)
    messages.entriesBegin = (out, of, from, question) => {
      block = of
      next = from
      return entriesBegin(out, of, from, question)
    }
    const entry = messages.entry.bind(messages)
    messages.entry = (out, valueProcess, valueCounter, bytes) => {
      entry(out, valueProcess, valueCounter, bytes)
      this.settle()
      const index = next++
      this.show((invariant) => invariant.onServed?.(number, volume, block, index, `${shared(valueProcess)}#${valueCounter}`))
    }
  }

  /** Refs of one process's table as refs of the run's. */
  private shared(processes: ProcessTable): Shared {
    const refs: ProcessRef[] = [0]
    return (ref) => {
      refs[ref] ??= this.processes.intern(processes.get(ref))
      return refs[ref]
    }
  }

  /** The process has replayed its log and will serve. */
  serving({ number, volume }: Life, replica: Replica): void {
    this.show((invariant) => invariant.onServing?.(number, volume, replica.core))
  }

  crashed(volume: SimVolume): void {
    volume.votes.crash(this.onDurable)
    volume.names.crash(volume.onDurableName)
    volume.memories.crash(volume.onDurableMemory)
    this.show((invariant) => invariant.onCrash?.(volume))
  }

  private settle(): void {
    for (const volume of this.volumes) {
      volume.votes.settle(this.onDurable)
      volume.names.settle(volume.onDurableName)
      volume.memories.settle(volume.onDurableMemory)
    }
  }

  private readonly onDurable = (vote: Vote): void => {
    const { kind, block, instance, ballot } = vote
    if (kind !== 'promise') this.show((invariant) => invariant.onDurableEntry?.(vote))
    if (kind === 'learned') return
    this.ledger.note(kind, block, instance, ballot, vote)
    this.show((invariant) => invariant.onDurableVote?.(vote))
  }

  /** To be the replica's observer: sees every entry once the engine has applied the batch that held it. */
  observer({ number }: Life, made: () => Replica, engine: Engine): (entry: ChosenEntry) => void {
    const applied = new Map(engine.positions().map(({ block, index }) => [block, index]))
    let shared: Shared | undefined
    return ({ block, index, valueProcess, valueCounter, entry }) => {
      this.settle()
      const { core, processes } = made()
      shared ??= this.shared(processes)
      const known = applied.get(block) ?? 0
      // What came by snapshot was not applied one by one.
      const last = index > known + 1 ? Math.max(known, core.block(block).snapshotIndex) : known
      applied.set(block, index)
      const value = `${shared(valueProcess)}#${valueCounter}`
      // A learner's is its own affair until it votes.
      const isComparable = core.votes.has(block) && engine.appliedIndex(block) === index
      const digest = isComparable ? engine.digest(block) : undefined
      const event = { replica: number, block, index, last, value, entry, digest }
      this.decided.note(event)
      this.show((invariant) => invariant.onApplied?.(event))
    }
  }

  warned(what: string, fields: Record<string, unknown>): void {
    if (this.hasLiar && what.startsWith('a peer broke')) return
    this.show((invariant) => invariant.onWarning?.(what, fields))
  }

  /** A process sets a block aside. */
  setAside({ number, rotten }: Life, block: number): void {
    this.show((invariant) => invariant.onSetAside?.(number, block, rotten.has(block)))
  }

  rejected({ number }: Life, message: string): void {
    this.show((invariant) => invariant.onRejected?.(number, message))
  }

  /** A client was told what cannot be, or has failed by itself. */
  misled(error: Error): void {
    this.failure ??= error
  }

  failed({ number }: Life, error: Error): void {
    this.show((invariant) => invariant.onFailure?.(number, error))
  }

  refusedStart({ number }: Life, error: Error): void {
    this.show((invariant) => invariant.onRefusedStart?.(number, error))
  }

  /** All replicas are at the same index of every block: their digests must be the same too. */
  quiet(replicas: readonly Replica[]): void {
    for (const block of this.decided.blocks) {
      const digests = replicas.map((replica) => replica.digest(block))
      this.show((invariant) => invariant.onQuiet?.(block, this.decided.lastIndex(block), digests))
    }
  }

  /** All have come to rest. */
  ended(replicas: readonly Replica[]): void {
    for (const [number, { core }] of replicas.entries()) {
      const behind = core.behind.filter((state) => state.knownChosen > state.chosen)
      this.show((invariant) => invariant.onEnd?.(number, behind))
    }
  }

  /** Replays what was decided beside what clients were told. */
  finish(sliceDurationMs: number): void {
    try {
      this.decided.replay(this.history, sliceDurationMs, this.invariants)
    } catch (error) {
      this.failure ??= error as Error
    }
  }
}

/** The write that takes the next record: the log itself tells it only of records that are waited for. */
function fillingWrite(log: SharedLog): number {
  return (log as unknown as { filling: { number: number } }).filling.number
}
