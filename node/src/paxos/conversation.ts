/**
 * Runs protocol conversations written as text (testdata/*.txt): a few replicas' cores, whose messages and log writes
 * move only when the script says so. Every command prints what it caused, so that a script reads as the protocol does.
 *
 *     replicas N [serving]        N fresh replicas, connected
 *     write R BLOCK NAME          a write NAME arrives at replica R
 *     read R BLOCK                a read arrives
 *     turn R                      replica R takes a turn: applies, proposes, begins rounds, sends
 *     start R                     its log write is under way: what comes later goes into the next
 *     sync R                      the write under way, or else the one being filled, becomes durable; its votes leave
 *     deliver FROM TO             what FROM has sent to TO arrives, in order
 *     drop FROM TO                it is lost
 *     restart R                   the process ends and starts again from what was durable
 *     sweep R MS                  MS milliseconds pass at R, and its retries are looked at
 *     choke R on|off              its log is too full to take more, or not any more
 *     state R BLOCK               shows chosen, promised and accepted
 */
import { ByteReader, ByteWriter, ERRORS } from '@thermocline/protocol'
import { ask } from '../doors/ask.fixture.ts'
import { Acceptor } from './acceptor.ts'
import { type BlockState, NO_ROUND, Phase } from './block-state.ts'
import { type ChosenEntry, Core, type EntrySource, type LogSink, type Outbox } from './core.ts'
import { Learner } from './learner.ts'
import { FetchStatus, MessageWriter, type PeerHandler, readMessages } from './messages.ts'
import { PendingWrite } from './pending.ts'
import { PendingRead } from './pending-read.ts'
import { type ProcessRef, ProcessTable } from './processes.ts'
import { Proposer } from './proposer.ts'
import { Reader, UNPROVEN_ROUND } from './reader.ts'

interface LogRecord {
  readonly write: number
  readonly kind: 'promise' | 'accept' | 'learned'
  readonly block: number
  readonly instance: number
  readonly round: number
  readonly process: ProcessRef
  readonly valueProcess: ProcessRef
  readonly valueCounter: number
  readonly entry: Uint8Array
}

const text = new TextDecoder()
const NO_ENTRY = new Uint8Array(0)

/** A log that becomes durable on command. */
class ScriptLog implements LogSink {
  readonly records: LogRecord[] = []
  durableWrite = 0
  filling = 1
  /** The write under way, 0 if none. */
  started = 0
  private readonly say: (line: string) => void

  constructor(say: (line: string) => void) {
    this.say = say
  }

  private add(record: Omit<LogRecord, 'write'>, line: string): number {
    this.records.push({ ...record, write: this.filling })
    this.say(`  log ${line}`)
    return this.filling
  }

  promise(block: number, instance: number, round: number, process: ProcessRef): number {
    return this.add(
      { kind: 'promise', block, instance, round, process, valueProcess: 0, valueCounter: 0, entry: NO_ENTRY },
      `promise ${block}/${instance} round ${round}`,
    )
  }

  accept(
    block: number,
    instance: number,
    round: number,
    process: ProcessRef,
    _prevProcess: ProcessRef,
    _prevCounter: number,
    valueProcess: ProcessRef,
    valueCounter: number,
    entry: Uint8Array,
  ): number {
    return this.add(
      { kind: 'accept', block, instance, round, process, valueProcess, valueCounter, entry },
      `accept ${block}/${instance} round ${round} [${text.decode(entry)}]`,
    )
  }

  learned(block: number, instance: number, valueProcess: ProcessRef, valueCounter: number, entry: Uint8Array): number {
    return this.add(
      { kind: 'learned', block, instance, round: NO_ROUND, process: 0, valueProcess, valueCounter, entry },
      `learned ${block}/${instance} [${text.decode(entry)}]`,
    )
  }

  chosen(): void {
    // Marks ride along and cause nothing.
  }
}

/** Entries are the names of the writes in them, and a write's outcome is that it is in one. */
class NamedEntries implements EntrySource {
  private readonly say: (line: string) => void

  constructor(say: (line: string) => void) {
    this.say = say
  }

  build(state: BlockState): Uint8Array {
    state.inFlight = state.queue
    state.queue = []
    return new TextEncoder().encode(state.inFlight.map((write) => text.decode(write.body)).join(' '))
  }

  noop(): Uint8Array {
    return new TextEncoder().encode('no-op')
  }

  fail(write: PendingWrite, code: 'busy' | 'unknown' | 'unavailable'): void {
    this.say(`  answer ${text.decode(write.body)}: ${code}`)
    write.answer(ERRORS[code].number, NO_ENTRY)
  }
}

class Node {
  readonly replica: number
  readonly boot: number
  readonly core: Core
  readonly proposer: Proposer
  readonly learner: Learner
  readonly acceptor: Acceptor
  readonly reader: Reader
  readonly log: ScriptLog
  /** Frames that have left, per peer. */
  readonly sent: Uint8Array[][]
  private readonly nows: (ByteWriter | undefined)[]
  private readonly votes: (ByteWriter | undefined)[]
  private readonly say: (line: string) => void

  constructor(replica: number, count: number, boot: number, processes: ProcessTable, say: (line: string) => void) {
    this.replica = replica
    this.boot = boot
    this.say = say
    this.sent = Array.from({ length: count }, () => [])
    this.nows = new Array(count).fill(undefined)
    this.votes = new Array(count).fill(undefined)
    const self = processOf(processes, replica, boot)
    this.log = new ScriptLog(say)
    const outbox: Outbox = {
      messages: new MessageWriter(processes, self),
      now: (to) => (to === replica ? undefined : writerOf(this.nows, to)),
      afterSync: (to, write) => writerOf(write <= this.log.durableWrite ? this.nows : this.votes, to),
    }
    this.core = new Core({
      processes,
      self,
      replica,
      replicaCount: count,
      log: this.log,
      outbox,
      random: () => 0.5,
      priority: () => Array.from({ length: count }, (_, i) => i),
      remember: () => 0,
      checkEntry: () => undefined,
      violation: (what) => say(`  violation: ${what}`),
    })
    this.proposer = new Proposer(this.core, new NamedEntries(say))
    this.learner = new Learner(
      this.core,
      (state, process, counter) => this.proposer.beforeChosen(state, process, counter),
      (state, from) => say(`  takes a snapshot of ${state.block} from ${from}`),
    )
    this.acceptor = new Acceptor(this.core, this.learner)
    this.proposer.connect(this.acceptor, this.learner)
    this.reader = new Reader(
      this.core,
      this.proposer,
      this.learner,
      (read) => say(`  read ${read.block} answered at index ${this.core.block(read.block).chosen}`),
      (validation) => say(`  validation answered: ${validation.needs.join(' ')}`),
      (_read, message) => say(`  read failed: ${message}`),
      () => true,
    )
    this.core.isActive = true
    this.core.setCountable((1 << count) - 1)
    this.core.live = (1 << count) - 1
  }

  turn(): void {
    this.apply()
    this.proposer.advanceReady()
    this.reader.begin()
    this.apply()
    this.reader.serveReady()
    this.send(this.nows)
  }

  private apply(): void {
    for (const { block, index, entry, writes } of this.core.chosenEntries.splice(0) as ChosenEntry[]) {
      this.say(`  apply ${block}/${index} [${text.decode(entry)}]`)
      for (const write of writes ?? []) {
        if (!write.isAnswered) this.say(`  answer ${text.decode(write.body)}: ok`)
        write.answer(0, NO_ENTRY)
      }
    }
  }

  /** The log write being filled leaves for the disk; what comes later goes into the next. */
  start(): void {
    this.log.started = this.log.filling++
  }

  sync(): void {
    if (this.log.started === 0) this.start()
    this.log.durableWrite = this.log.started
    this.log.started = 0
    this.proposer.onDurable(this.log.durableWrite)
    this.send(this.votes)
  }

  private send(writers: (ByteWriter | undefined)[]): void {
    for (const [to, writer] of writers.entries()) {
      if (writer === undefined) continue
      this.sent[to]?.push(writer.copy())
      writers[to] = undefined
    }
  }

  /** Takes over what a former life had durable. */
  restore(records: readonly LogRecord[]): void {
    for (const record of records) {
      const state = this.core.block(record.block)
      if (record.instance <= state.chosen) continue
      if (record.kind === 'learned') this.learner.choose(state, record.valueProcess, record.valueCounter, record.entry)
      else {
        if (record.instance === state.chosen + 2) this.learner.chooseAccepted(state)
        state.promisedRound = record.round
        state.promisedProcess = record.process
        if (record.kind === 'accept') {
          state.acceptedRound = record.round
          state.acceptedProcess = record.process
          state.acceptedValueProcess = record.valueProcess
          state.acceptedValueCounter = record.valueCounter
          state.acceptedEntry = record.entry
        }
        this.core.markOpen(state)
      }
    }
    this.log.records.push(...records.map((record) => ({ ...record, write: 0 })))
    this.core.chosenEntries = []
  }
}

function acceptedText(round: number): string {
  if (round === NO_ROUND) return ''
  return round === UNPROVEN_ROUND ? ', accepted, its ballot not durable yet' : `, accepted in ${round}`
}

function writerOf(writers: (ByteWriter | undefined)[], to: number): ByteWriter {
  const writer = writers[to] ?? new ByteWriter(256)
  writers[to] = writer
  return writer
}

function processOf(processes: ProcessTable, replica: number, boot: number): ProcessRef {
  return processes.intern({ group: 0, replica, incarnation: { number: 0, nonce: '0'.repeat(15) + replica }, boot })
}

export class Conversation {
  private readonly processes = new ProcessTable()
  private nodes: Node[] = []
  private lines: string[] = []

  /** Runs one command and returns what it printed. */
  run(command: string): string[] {
    this.lines = []
    const [name, ...args] = command.split(' ')
    const numbers = args.map(Number)
    const [first = 0, second = 0] = numbers
    switch (name) {
      case 'replicas':
        this.nodes = Array.from({ length: first }, (_, replica) => this.make(replica, first, 1))
        this.meet()
        break
      case 'write':
        this.write(first, second, args[2] ?? '')
        break
      case 'read':
        this.node(first).reader.submit(new PendingRead(second, ask(2, NO_ENTRY, 1e9), 1e9))
        break
      case 'turn':
        this.node(first).turn()
        break
      case 'start':
        this.node(first).start()
        break
      case 'sync':
        this.node(first).sync()
        break
      case 'deliver':
        for (const frame of this.takeFrames(first, second)) this.deliver(first, second, frame)
        break
      case 'drop':
        this.say(`  ${this.takeFrames(first, second).length} frames lost`)
        break
      case 'restart':
        this.restart(first)
        break
      case 'sweep':
        this.sweep(first, second)
        break
      case 'choke':
        this.node(first).core.isChoked = args[1] === 'on'
        break
      case 'state':
        this.show(first, second)
        break
      default:
        throw new Error(`command ${name} is not known`)
    }
    return this.lines
  }

  private say(line: string): void {
    this.lines.push(line)
  }

  private node(replica: number): Node {
    const node = this.nodes[replica]
    if (node === undefined) throw new Error(`there is no replica ${replica}`)
    return node
  }

  private make(replica: number, count: number, boot: number): Node {
    return new Node(replica, count, boot, this.processes, (line) => this.say(line))
  }

  private meet(): void {
    for (const node of this.nodes) {
      for (const peer of this.nodes) node.core.peerProcess[peer.replica] = processOf(this.processes, peer.replica, peer.boot)
    }
  }

  private write(replica: number, block: number, name: string): void {
    const shape = { opsAt: 0, opCount: 1, seriesFingerprint: 0, isAppend: false }
    const node = this.node(replica)
    const { nowMs } = node.core
    const body = new TextEncoder().encode(name)
    node.proposer.submit(new PendingWrite(block, ask(1, body, 5000), shape, { arrivedMs: nowMs, deadlineMs: nowMs + 5000 }))
  }

  private takeFrames(from: number, to: number): Uint8Array[] {
    return (this.node(from).sent[to] as Uint8Array[]).splice(0)
  }

  private deliver(from: number, to: number, frame: Uint8Array): void {
    const sender = this.node(to).core.peerProcess[from] as ProcessRef
    readMessages(new ByteReader(frame), this.processes, sender, this.handler(from, this.node(to)))
  }

  private restart(replica: number): void {
    const old = this.node(replica)
    const fresh = this.make(replica, this.nodes.length, old.boot + 1)
    this.nodes[replica] = fresh
    for (const node of this.nodes) node.sent[replica]?.splice(0)
    fresh.restore(old.log.records.filter((record) => record.write <= old.log.durableWrite))
    this.meet()
    this.lines = []
  }

  private sweep(replica: number, ms: number): void {
    const { core, proposer, reader, learner } = this.node(replica)
    core.nowMs += ms
    proposer.sweep()
    learner.sweep()
    reader.sweep()
    for (const state of core.notices) {
      if (!state.noticePending) continue
      state.noticePending = false
      for (let peer = 0; peer < core.replicaCount; peer++) {
        const out = core.outbox.now(peer)
        if (out !== undefined) core.outbox.messages.chosen(out, state.block, state.chosen, state.chosenProcess, state.chosenCounter)
      }
    }
    core.notices = []
    this.node(replica).turn()
  }

  private show(replica: number, block: number): void {
    const state = this.node(replica).core.block(block)
    const promised = state.promisedRound === NO_ROUND ? 'nothing' : `${state.promisedRound} of ${this.name(state.promisedProcess)}`
    const accepted =
      state.acceptedRound === NO_ROUND
        ? 'nothing'
        : `${state.acceptedRound} of ${this.name(state.acceptedProcess)} [${text.decode(state.acceptedEntry)}]`
    const phase = Object.entries(Phase).find(([, value]) => value === state.phase)?.[0]
    this.say(`  chosen ${state.chosen}, promised ${promised}, accepted ${accepted}, ${phase}`)
  }

  private name(process: ProcessRef): string {
    const { replica, boot } = this.processes.get(process)
    return `${replica}/${boot}`
  }

  /** Prints each message as it arrives, then hands it on. */
  private handler(from: number, to: Node): PeerHandler {
    const said = (line: string): void => this.say(`  ${from}→${to.replica} ${line}`)
    const entryText = (entry: Uint8Array | undefined): string => (entry === undefined ? '' : ` [${text.decode(entry)}]`)
    return {
      onAccept: (block, instance, round, prevProcess, prevCounter, valueProcess, valueCounter, entry) => {
        said(`accept ${block}/${instance} round ${round}${entryText(entry)}`)
        to.acceptor.onAccept(from, block, instance, round, prevProcess, prevCounter, valueProcess, valueCounter, entry.slice())
      },
      onAccepted: (block, instance, round) => {
        said(`accepted ${block}/${instance} round ${round}`)
        to.proposer.onAccepted(from, block, instance, round)
      },
      onRefused: (block, instance, promisedRound) => {
        said(`refused ${block}/${instance}: promised ${promisedRound}`)
        to.proposer.onRefused(block, instance, promisedRound)
      },
      onBehind: (block, instance, chosen) => {
        said(`behind ${block}/${instance}: at ${chosen}`)
        to.proposer.onBehind(block, instance)
      },
      onAhead: (block, chosen) => {
        said(`ahead ${block}: at ${chosen}`)
        to.proposer.onAhead(from, block, chosen)
      },
      onPrepare: (block, instance, round, prevProcess, prevCounter) => {
        said(`prepare ${block}/${instance} round ${round}`)
        to.acceptor.onPrepare(from, block, instance, round, prevProcess, prevCounter)
      },
      onPromise: (block, instance, round, acceptedRound, acceptedProcess, valueProcess, valueCounter, entry) => {
        said(`promise ${block}/${instance} round ${round}${entry === undefined ? '' : `, accepted in ${acceptedRound}${entryText(entry)}`}`)
        to.proposer.onPromise(from, block, instance, round, acceptedRound, acceptedProcess, valueProcess, valueCounter, entry?.slice())
      },
      onChosen: (block, instance, process, counter) => {
        said(`chosen ${block}/${instance}`)
        to.learner.onChosen(from, block, instance, process, counter)
      },
      onFetch: (block, first, question) => {
        said(`fetch ${block} from ${first}`)
        this.serveFetch(this.node(to.replica), from, block, first, question)
      },
      onEntry: (question, block, instance, process, counter, entry) => {
        said(`entry ${block}/${instance}${entryText(entry)}`)
        to.learner.onEntry(from, question, block, instance, process, counter, entry.slice())
      },
      onEntriesEnd: (question, block, chosen, status) => to.learner.onEntriesEnd(from, question, block, chosen, status),
      onReadRoundBlock: (round, block, chosen) => {
        said(`read round ${round}: ${block} after ${chosen}?`)
        to.reader.onRoundBlock(from, round, block, chosen)
      },
      onReadRoundEnd: () => to.reader.onRoundEnd(),
      onReadException: (round, block, chosen, acceptedRound, acceptedProcess) => {
        said(`read answer ${round}: ${block} chosen ${chosen}${acceptedText(acceptedRound)}`)
        to.reader.onException(from, round, block, chosen, acceptedRound, acceptedProcess)
      },
      onReadAnswerEnd: (round) => {
        said(`read answer ${round} ends`)
        to.reader.onAnswerEnd(from, round)
      },
      onForward: () => {},
      onForwardAnswer: () => {},
      onSettle: (block, instance) => {
        said(`settle ${block}/${instance}`)
        to.proposer.settle(block, instance)
      },
      onPosition: (block, chosen) => to.learner.onPosition(from, block, chosen),
      onWantPositions: () => {},
      onWantBatch: () => {},
      onBatchHead: () => {},
      onWantPart: () => {},
      onBatchPart: () => {},
      onBatchGone: () => {},
      onDropBatch: () => {},
      onHeartbeat: () => {},
      onReadAbsence: (round, block) => to.reader.onAbsence(from, round, block),
      onBarrierQuery: () => {},
      onBarrier: () => {},
      onBarrierEnd: () => {},
      onDigestQuery: () => {},
      onDigestAnswer: () => {},
      onAuditHint: () => {},
    }
  }

  private serveFetch(node: Node, to: number, block: number, first: number, question: number): void {
    const { outbox } = node.core
    const out = outbox.now(to) as ByteWriter
    const countAt = outbox.messages.entriesBegin(out, block, first, question)
    const state = node.core.block(block)
    let count = 0
    for (let index = first; index <= state.chosen; index++) {
      const record = node.log.records.findLast((one) => one.block === block && one.instance === index && one.kind !== 'promise')
      if (record === undefined) break
      outbox.messages.entry(out, record.valueProcess, record.valueCounter, record.entry)
      count++
    }
    outbox.messages.entriesEnd(out, countAt, count, state.chosen, FetchStatus.ok)
  }
}
