/**
 * Clients of a simulated cluster: closed loops over few records of few series, so that they collide. They do what the
 * client library does: stamp once, retry the same request elsewhere after a time-out, and give up at a deadline; and,
 * as the seed has it, what it would not (faults/client-faults.ts).
 */
import { ByteWriter, blockOf, Condition, ERRORS, encodeSeries, errorCodeOf, Operation, placementOf, WriteKind } from '@thermocline/protocol'
import { type Caller, NodeRequest } from '../../src/doors/node-request.ts'
import { getRequest, type ModelBlock, readScan, scanRequest } from '../../src/engine/model.ts'
import type { Cluster } from './cluster.ts'
import type { ClientFaults } from './faults/client-faults.ts'
import type { HistoryRecord, ReadRecord, WriteRecord } from './history.ts'
import type { Scheduler } from './scheduler.ts'
import type { SimTopology } from './topologies.ts'

const ATTEMPT_MS = 250
const DEADLINE_MS = 2500
/** A caller that takes the first answer for final waits this long for it. */
const SOLE_ATTEMPT_MS = 1000
/** How often a caller takes the first answer to a write for final, a refusal too. */
const SOLE_ATTEMPTS = 0.3

/** A machine of the memory tier, in place of a replica's number: −1 and below. */
const FIRST_MACHINE = -1
/** How often a read that a memory machine did not answer is tried at another one before the storage tier. */
const MEMORY_AGAIN = 0.3

/** How many of the reads ask for the whole series, where there is a memory tier. */
const MEMORY_SCANS = 0.3
/** Records of a series: two to a page. */
const IDS = 4
const idOf = (number: number): bigint => BigInt(number) << 25n

/** A read as it is routed: by its block, and the lowest id that it asks for. */
interface Route {
  readonly block: number
  readonly fromId: bigint
}

interface Op {
  readonly kind: number
  readonly condition: number
  readonly version: number
  readonly id: bigint
  readonly value: string
}

export class Client {
  private readonly name: number
  private readonly scheduler: Scheduler
  private readonly cluster: Cluster
  private readonly history: HistoryRecord[]
  private readonly faults: ClientFaults
  private readonly series: readonly string[]
  private readonly stamps = new Map<number, number>()
  private counter = 0
  isStopped = false
  private isWaiting = false
  /** Late retries under way or planned. */
  private late = 0
  /** Not always the newest. */
  private topology: SimTopology | undefined
  finished = 0
  readonly outcomes: Record<string, number> = {}

  constructor(
    name: number,
    scheduler: Scheduler,
    cluster: Cluster,
    history: HistoryRecord[],
    faults: ClientFaults,
    series: readonly string[],
  ) {
    this.name = name
    this.scheduler = scheduler
    this.cluster = cluster
    this.history = history
    this.faults = faults
    this.series = series
  }

  run(): void {
    this.cluster.memory?.topologies.follow((topology) => {
      this.topology = topology
    })
    this.scheduler.at(this.scheduler.random.between(0, 20), () => this.next())
  }

  get isIdle(): boolean {
    return this.isStopped && !this.isWaiting && this.late === 0
  }

  private next(): void {
    this.isWaiting = !this.isStopped
    if (this.isStopped) return
    const { random } = this.scheduler
    const series = random.pick(this.series)
    if (random.chance(0.45)) this.read(series, idOf(random.below(IDS)))
    else this.write(series, this.randomOps())
  }

  private randomOps(): Op[] {
    const { random } = this.scheduler
    const kind = random.chance(0.12) ? WriteKind.append : random.chance(0.2) ? WriteKind.delete : WriteKind.put
    const count = kind === WriteKind.put && random.chance(0.15) ? 2 : 1
    const first = random.below(IDS)
    return Array.from({ length: count }, (_, i) => {
      const condition =
        kind === WriteKind.append ? Condition.none : random.pick([Condition.none, Condition.none, Condition.ifAbsent, Condition.ifVersion])
      return {
        kind,
        condition,
        version: condition === Condition.ifVersion ? random.below(30) : 0,
        id: kind === WriteKind.append ? 0n : idOf((first + i) % IDS),
        value: kind === WriteKind.delete ? '' : `${this.name}.${this.counter}.${i}${'x'.repeat(random.below(60))}`,
      }
    })
  }

  private note(outcome: string): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1
  }

  private done(outcome: string): void {
    this.finished++
    this.note(outcome)
    this.scheduler.at(this.scheduler.random.between(0, 10), () => this.next())
  }

  private replica(): number {
    return this.scheduler.random.below(this.cluster.machines.length)
  }

  /** Sends to a replica; the answer comes once, or not at all. Takes the way there and back. */
  private send(replica: number, operation: number, body: Uint8Array, onAnswer: (error: number, body: Uint8Array) => void): void {
    const { scheduler, cluster } = this
    const { random } = scheduler
    if (replica <= FIRST_MACHINE) {
      scheduler.at(random.between(0.1, 2), () => cluster.memory?.submit(FIRST_MACHINE - replica, operation, body.slice(), onAnswer))
      return
    }
    const life = random.pick(cluster.livesOf(replica))
    scheduler.at(random.between(0.1, 2), () => {
      if (life?.replica === undefined || !life.isAlive) {
        onAnswer(ERRORS.unavailable.number, new Uint8Array(14))
        return
      }
      const reply = (_token: number, error: number, answer: Uint8Array): void => {
        const copy = answer.slice()
        scheduler.at(random.between(0.1, 2), () => onAnswer(error, copy))
      }
      const caller: Caller = { door: 'client', source: 'the workload', reply }
      life.replica.requests.submit(new NodeRequest(caller, 0, operation, body.slice(), ATTEMPT_MS * 2))
      scheduler.hasReactions = true
    })
  }

  private read(series: string, id: bigint): void {
    const { random } = this.scheduler
    if (this.cluster.memory !== undefined && random.chance(MEMORY_SCANS)) {
      this.scan(series)
      return
    }
    const block = blockOf(encodeSeries(series))
    const startMs = this.scheduler.nowMs
    this.attempts(
      startMs,
      ATTEMPT_MS,
      Operation.get,
      () => getRequest(series, [id]),
      (error, body) => {
        if (error !== 0) return false
        const view = new DataView(body.buffer, body.byteOffset)
        const version = u48(view, 6)
        const length = view.getUint32(12, true)
        const record: ReadRecord = {
          kind: 'read',
          block,
          startMs,
          endMs: this.scheduler.nowMs,
          index: u48(view, 0),
          series,
          id,
          version,
          value: version === 0 ? undefined : Buffer.from(body.subarray(16, 16 + length)).toString(),
        }
        this.history.push(record)
        this.noteIndex(block, record.index)
        this.done('read')
        return true
      },
      () => this.done('read failed'),
      { block, fromId: id },
    )
  }

  /** All of a series, newest first: as many reads as there may be records, at one index. */
  private scan(series: string): void {
    const block = blockOf(encodeSeries(series))
    const startMs = this.scheduler.nowMs
    this.attempts(
      startMs,
      ATTEMPT_MS,
      Operation.scan,
      () => scanRequest(series, 0n, idOf(IDS), IDS, true),
      (error, body) => {
        if (error !== 0) return false
        const { index, records, more, next } = readScan(body)
        for (let number = 0; number < IDS; number++) {
          const id = idOf(number)
          // Where the chunk ended nothing was said.
          if (more && id <= next) continue
          const found = records.find((record) => record.id === id)
          this.history.push({
            kind: 'read',
            block,
            startMs,
            endMs: this.scheduler.nowMs,
            index,
            series,
            id,
            version: found?.version ?? 0,
            value: found === undefined ? undefined : Buffer.from(found.value).toString(),
          })
        }
        this.noteIndex(block, index)
        this.done('scanned')
        return true
      },
      () => this.done('read failed'),
      { block, fromId: 0n },
    )
  }

  private write(series: string, ops: Op[]): void {
    const block = blockOf(encodeSeries(series))
    const startMs = this.scheduler.nowMs
    const stamp = this.stamps.get(block)
    if (stamp === undefined || this.scheduler.random.chance(0.02)) {
      this.fetchStamp(block, startMs, () => this.writeStamped(series, block, ops, startMs))
    } else this.writeStamped(series, block, ops, startMs)
  }

  private fetchStamp(block: number, startMs: number, then: () => void): void {
    const body = new Uint8Array([1, 0, block & 255, block >> 8])
    this.attempts(
      startMs,
      ATTEMPT_MS,
      Operation.stamps,
      () => body,
      (error, answer) => {
        if (error !== 0) return false
        this.noteIndex(block, u48(new DataView(answer.buffer, answer.byteOffset), 0))
        then()
        return true
      },
      () => this.done('no stamp'),
    )
  }

  private noteIndex(block: number, index: number): void {
    this.stamps.set(block, Math.max(this.stamps.get(block) ?? 0, index))
  }

  private writeStamped(series: string, block: number, ops: Op[], startMs: number): void {
    const requestId = new Uint8Array(16)
    new DataView(requestId.buffer).setUint32(0, this.name + 1)
    new DataView(requestId.buffer).setUint32(12, ++this.counter)
    const stamp = this.stamps.get(block) ?? 0
    const record: WriteRecord = {
      kind: 'write',
      block,
      requestId: Buffer.from(requestId).toString('hex'),
      startMs,
      endMs: Number.POSITIVE_INFINITY,
      index: 0,
      outcome: 'maybe',
      error: 0,
      answers: [],
      expected: (model) => expectedOutcome(model, series, ops),
    }
    this.history.push(record)
    const request = encode(requestId, stamp, series, ops)
    let isUnresolved = false
    let sent = 0
    const isSole = this.scheduler.random.chance(SOLE_ATTEMPTS)
    this.attempts(
      startMs,
      isSole ? SOLE_ATTEMPT_MS : ATTEMPT_MS,
      Operation.write,
      () => {
        sent++
        return request
      },
      (error, body) => {
        if (this.takeAnswer(record, error, body)) {
          this.done(error === 0 ? 'written' : 'condition failed')
          this.retryLate(record, request)
          return true
        }
        if (error === ERRORS.unknown.number || error === ERRORS.deadline_exceeded.number) isUnresolved = true
        if (error === ERRORS.expired.number || error === ERRORS.bad_stamp.number) {
          record.outcome = sent === 1 && !isUnresolved ? 'not' : 'maybe'
          record.error = error
          this.done('expired')
          this.retryLate(record, request)
          return true
        }
        if (!isSole || sent > 1) return false
        record.outcome = ERRORS[errorCodeOf(error)].outcome
        record.error = error
        this.done(record.outcome === 'not' ? 'refused' : 'unknown')
        this.retryLate(record, request)
        return true
      },
      (sentAndLost) => {
        record.outcome = sentAndLost || isUnresolved ? 'maybe' : 'not'
        this.done(record.outcome === 'not' ? 'refused' : 'unknown')
        this.retryLate(record, request)
      },
    )
  }

  /** True if the answer says what became of the write. */
  private takeAnswer(record: WriteRecord, error: number, body: Uint8Array): boolean {
    if (error !== 0 && error !== ERRORS.precondition_failed.number) return false
    const index = u48(new DataView(body.buffer, body.byteOffset), 0)
    record.answers.push({ index, error })
    this.noteIndex(record.block, index)
    if (record.index > 0) return true
    record.endMs = this.scheduler.nowMs
    record.index = index
    record.error = error
    return true
  }

  /** The seed may have the finished write sent once more: what it came to must not change. */
  private retryLate(record: WriteRecord, request: Uint8Array): void {
    const { random } = this.scheduler
    if (!random.chance(this.faults.lateRetry)) return
    this.late++
    this.scheduler.at(random.between(1, this.faults.lateRetryMs), () => {
      // What was refused may be taken on now.
      if (record.index === 0) record.outcome = 'maybe'
      const isOver = this.once(() => {
        this.late--
      })
      this.scheduler.at(ATTEMPT_MS * 3, isOver)
      this.send(this.replica(), Operation.write, request, (error, body) => {
        this.note(this.takeAnswer(record, error, body) ? 'late retry answered' : `late retry ${errorCodeOf(error)}`)
        isOver()
      })
    })
  }

  private once(run: () => void): () => void {
    let isDone = false
    return () => {
      if (!isDone) run()
      isDone = true
    }
  }

  /** Attempts at random replicas until one is final or the deadline is over. A late answer of an old attempt counts too. */
  private attempts(
    startMs: number,
    attemptMs: number,
    operation: number,
    body: () => Uint8Array,
    onAnswer: (error: number, body: Uint8Array) => boolean,
    onDeadline: (sentAndLost: boolean) => void,
    route?: Route,
  ): void {
    let isOver = false
    let lost = 0
    let triedMemory = false
    const attempt = (): void => {
      if (isOver) return
      if (this.scheduler.nowMs - startMs > DEADLINE_MS) {
        isOver = true
        onDeadline(lost > 0)
        return
      }
      let isAnswered = false
      const again = this.once(attempt)
      for (const replica of this.targets(operation, route, triedMemory)) {
        lost++
        if (replica <= FIRST_MACHINE) triedMemory = true
        const isPastMemory = triedMemory && replica > FIRST_MACHINE
        this.send(replica, operation, body(), (error, answer) => {
          isAnswered = true
          lost--
          if (isOver) return
          if (onAnswer(error, answer)) {
            isOver = true
            if (isPastMemory) this.note(operation === Operation.scan ? 'scanned past memory' : 'read past memory')
          } else this.scheduler.at(this.scheduler.random.between(1, 40), again)
        })
      }
      this.scheduler.at(attemptMs, () => {
        if (!isAnswered) again()
      })
    }
    attempt()
  }

  /** One replica, a memory machine for some reads, or all replicas at once. */
  private targets(operation: number, route: Route | undefined, triedMemory: boolean): number[] {
    const machine = route === undefined ? undefined : this.memoryMachine(route, triedMemory)
    if (machine !== undefined) return [FIRST_MACHINE - machine]
    if (operation === Operation.scan) return [this.replica()]
    if (!this.scheduler.random.chance(this.faults.fanOut)) return [this.replica()]
    this.note('fan-out')
    return [...this.cluster.machines.keys()]
  }

  /** By the topology that this client knows; whether the machine is there is another matter. */
  private memoryMachine({ block, fromId }: Route, triedMemory: boolean): number | undefined {
    const { topology } = this
    const { random } = this.scheduler
    if (topology === undefined || fromId < topology.split || !random.chance(triedMemory ? MEMORY_AGAIN : topology.ratio)) return undefined
    const machines = topology.groups[placementOf(topology.groups.length).owner[block] as number] as readonly number[]
    return machines.length === 0 ? undefined : random.pick(machines)
  }
}

function u48(view: DataView, at: number): number {
  return view.getUint16(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
}

function expectedOutcome(model: ModelBlock, series: string, ops: readonly Op[]): number {
  for (const op of ops) {
    const record = model.get(series, op.id)
    if (op.condition === Condition.ifAbsent && record !== undefined) return ERRORS.precondition_failed.number
    if (op.condition === Condition.ifVersion && (record?.version ?? 0) !== op.version) return ERRORS.precondition_failed.number
  }
  return 0
}

function encode(requestId: Uint8Array, stamp: number, series: string, ops: readonly Op[]): Uint8Array {
  const w = new ByteWriter(256)
  const name = encodeSeries(series)
  w.put(requestId)
  w.u48(stamp)
  w.u16(name.length)
  w.put(name)
  w.u16(ops.length)
  for (const op of ops) {
    w.u8(op.kind)
    w.u8(op.condition)
    w.u48(op.version)
    const at = w.claim(8)
    w.view.setBigUint64(at, op.id)
    const value = new TextEncoder().encode(op.value)
    w.u32(value.length)
    w.put(value)
  }
  return w.copy()
}
