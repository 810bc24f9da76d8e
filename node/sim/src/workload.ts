/**
 * Clients of a simulated cluster: closed loops over few records of few series, so that they collide. They do what the
 * client library does: stamp once, retry the same request elsewhere after a time-out, and give up at a deadline.
 */
import { ByteWriter, blockOf, Condition, ERRORS, encodeSeries, Operation, WriteKind } from '@thermocline/protocol'
import { getRequest, type ModelBlock } from '../../src/engine/model.ts'
import type { Cluster } from './cluster.ts'
import type { Oracle, ReadRecord, WriteRecord } from './oracle.ts'
import type { Scheduler } from './scheduler.ts'

const ATTEMPT_MS = 250
const DEADLINE_MS = 2500

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
  private readonly oracle: Oracle
  private readonly series: readonly string[]
  private readonly stamps = new Map<number, number>()
  private counter = 0
  isStopped = false
  isIdle = true
  finished = 0
  readonly outcomes: Record<string, number> = {}

  constructor(name: number, scheduler: Scheduler, cluster: Cluster, oracle: Oracle, series: readonly string[]) {
    this.name = name
    this.scheduler = scheduler
    this.cluster = cluster
    this.oracle = oracle
    this.series = series
  }

  run(): void {
    this.scheduler.at(this.scheduler.random.between(0, 20), () => this.next())
  }

  private next(): void {
    this.isIdle = this.isStopped
    if (this.isStopped) return
    const { random } = this.scheduler
    const series = random.pick(this.series)
    if (random.chance(0.45)) this.read(series, BigInt(random.below(4)) << 26n)
    else this.write(series, this.randomOps())
  }

  private randomOps(): Op[] {
    const { random } = this.scheduler
    const kind = random.chance(0.12) ? WriteKind.append : random.chance(0.2) ? WriteKind.delete : WriteKind.put
    const count = kind === WriteKind.put && random.chance(0.15) ? 2 : 1
    const first = random.below(4)
    return Array.from({ length: count }, (_, i) => {
      const condition =
        kind === WriteKind.append ? Condition.none : random.pick([Condition.none, Condition.none, Condition.ifAbsent, Condition.ifVersion])
      return {
        kind,
        condition,
        version: condition === Condition.ifVersion ? random.below(30) : 0,
        id: kind === WriteKind.append ? 0n : BigInt((first + i) % 4) << 26n,
        value: kind === WriteKind.delete ? '' : `${this.name}.${this.counter}.${i}${'x'.repeat(random.below(60))}`,
      }
    })
  }

  private done(outcome: string): void {
    this.finished++
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1
    this.scheduler.at(this.scheduler.random.between(0, 10), () => this.next())
  }

  private replica(): number {
    return this.scheduler.random.below(this.cluster.machines.length)
  }

  /** Sends to a replica; the answer comes once, or not at all. Takes the way there and back. */
  private send(replica: number, operation: number, body: Uint8Array, onAnswer: (error: number, body: Uint8Array) => void): void {
    const { scheduler, cluster } = this
    const { random } = scheduler
    const life = cluster.machines[replica]?.life
    scheduler.at(random.between(0.1, 2), () => {
      if (life?.replica === undefined || !life.isAlive) {
        onAnswer(ERRORS.unavailable.number, new Uint8Array(14))
        return
      }
      life.replica.submit(
        operation,
        body.slice(),
        ATTEMPT_MS * 2,
        {
          reply: (_token, error, answer) => {
            const copy = answer.slice()
            scheduler.at(random.between(0.1, 2), () => onAnswer(error, copy))
          },
        },
        0,
      )
      scheduler.hasReactions = true
    })
  }

  private read(series: string, id: bigint): void {
    const block = blockOf(encodeSeries(series))
    const startMs = this.scheduler.nowMs
    this.attempts(
      startMs,
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
        this.oracle.history.push(record)
        this.noteIndex(block, record.index)
        this.done('read')
        return true
      },
      () => this.done('read failed'),
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
      expected: (model) => expectedOutcome(model, series, ops),
    }
    this.oracle.history.push(record)
    let isUnresolved = false
    let isFirst = true
    this.attempts(
      startMs,
      Operation.write,
      (isRetry) => {
        if (isRetry) isFirst = false
        return encode(requestId, stamp, series, ops)
      },
      (error, body) => {
        const view = new DataView(body.buffer, body.byteOffset)
        if (error === 0 || error === ERRORS.precondition_failed.number) {
          record.endMs = this.scheduler.nowMs
          record.index = u48(view, 0)
          record.error = error
          this.noteIndex(block, record.index)
          this.done(error === 0 ? 'written' : 'condition failed')
          return true
        }
        if (error === ERRORS.unknown.number || error === ERRORS.deadline_exceeded.number) isUnresolved = true
        if (error === ERRORS.expired.number || error === ERRORS.bad_stamp.number) {
          record.outcome = isFirst && !isUnresolved ? 'not' : 'maybe'
          record.error = error
          this.done('expired')
          return true
        }
        return false
      },
      (sentAndLost) => {
        record.outcome = sentAndLost || isUnresolved ? 'maybe' : 'not'
        record.endMs = Number.POSITIVE_INFINITY
        this.done(record.outcome === 'not' ? 'refused' : 'unknown')
      },
    )
  }

  /** Attempts at random replicas until one is final or the deadline is over. A late answer of an old attempt counts too. */
  private attempts(
    startMs: number,
    operation: number,
    body: (isRetry: boolean) => Uint8Array,
    onAnswer: (error: number, body: Uint8Array) => boolean,
    onDeadline: (sentAndLost: boolean) => void,
  ): void {
    let isOver = false
    let lost = 0
    const attempt = (isRetry: boolean): void => {
      if (isOver) return
      if (this.scheduler.nowMs - startMs > DEADLINE_MS) {
        isOver = true
        onDeadline(lost > 0)
        return
      }
      let isAnswered = false
      lost++
      this.send(this.replica(), operation, body(isRetry), (error, answer) => {
        if (isAnswered) return
        isAnswered = true
        lost--
        if (isOver) return
        if (onAnswer(error, answer)) isOver = true
        else this.scheduler.at(this.scheduler.random.between(1, 40), () => attempt(true))
      })
      this.scheduler.at(ATTEMPT_MS, () => {
        if (!isAnswered) attempt(true)
      })
    }
    attempt(false)
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
