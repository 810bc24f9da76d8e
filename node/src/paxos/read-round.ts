/** A read round in flight: the blocks it asks about, and what its answers have come to. One object serves round after round. */
import { BLOCK_COUNT } from '@thermocline/protocol'
import { MAX_ROUND_BLOCKS } from './constants.ts'
import type { Core } from './core.ts'
import type { PendingRead } from './pending-read.ts'
import type { PendingValidation } from './pending-validation.ts'
import type { ProcessRef } from './processes.ts'

export class ReadRound {
  private readonly core: Core
  /** 0 if none is in flight. */
  number = 0
  reads: PendingRead[] = []
  validations: PendingValidation[] = []
  /** Bit r: replica r has answered; the own bit is set. */
  answered = 0
  beganAtMs = 0
  sentAtMs = 0
  isAllAsked = false
  private blocks: number[] = []
  /** `chosen` of each block when the round began, as the question said it. */
  private readonly asked: number[] = []
  /** What this replica itself has durably accepted or knows chosen. */
  private readonly own: number[] = []
  /** By slot and replica: what the replica's answer names, 0 if nothing that was not asked about. */
  private readonly named: Float64Array
  /** Bit r: replica r durably has the ballot `sameRound`, `sameProcess` in instance `sameInstance`, as this one has. */
  private readonly sameBallot: number[] = []
  private readonly sameInstance: number[] = []
  private readonly sameRound: number[] = []
  private readonly sameProcess: ProcessRef[] = []
  /** Bit r: replica r has answered that it does not vote in the block, so its answer says nothing of it. */
  private readonly absent: number[] = []
  /** Slot + 1 of a block. */
  private readonly slots = new Uint32Array(BLOCK_COUNT)

  constructor(core: Core) {
    this.core = core
    this.named = new Float64Array(MAX_ROUND_BLOCKS * core.replicaCount)
  }

  /** Begins with as many of the waiting reads and validations as fit; the others stay in their lists. */
  begin(number: number, reads: PendingRead[], validations: PendingValidation[]): void {
    const { core } = this
    this.number = number
    this.reads = reads.splice(0, this.takeReads(reads))
    this.validations = validations.splice(0, this.takeValidations(validations))
    this.answered = 1 << core.replica
    this.beganAtMs = core.nowMs
    this.sentAtMs = core.nowMs
    this.isAllAsked = false
    const durable = core.log.durableWrite
    this.named.fill(0, 0, this.blocks.length * core.replicaCount)
    for (let slot = 0; slot < this.blocks.length; slot++) {
      const state = core.block(this.blocks[slot] as number)
      this.asked[slot] = state.chosen
      this.own[slot] = state.durableIndex(durable)
      this.sameInstance[slot] = 0
      this.absent[slot] = 0
    }
  }

  private takeReads(reads: readonly PendingRead[]): number {
    let taken = 0
    for (const { block } of reads) {
      if (this.slots[block] === 0) {
        if (this.blocks.length === MAX_ROUND_BLOCKS) break
        this.slots[block] = this.blocks.push(block)
      }
      taken++
    }
    return taken
  }

  private takeValidations(validations: readonly PendingValidation[]): number {
    let taken = 0
    for (const { blocks } of validations) {
      if (this.blocks.length + blocks.length > MAX_ROUND_BLOCKS) break
      for (let i = 0; i < blocks.length; i++) {
        const block = blocks[i] as number
        if (this.slots[block] === 0) this.slots[block] = this.blocks.push(block)
      }
      taken++
    }
    return taken
  }

  end(): void {
    for (const block of this.blocks) this.slots[block] = 0
    this.reads = []
    this.validations = []
    this.blocks = []
    this.number = 0
  }

  askAll(): void {
    this.isAllAsked = true
    for (let replica = 0; replica < this.core.replicaCount; replica++) if ((this.answered & (1 << replica)) === 0) this.ask(replica)
  }

  /** False if the replica is not connected. */
  ask(replica: number): boolean {
    const { outbox } = this.core
    const out = outbox.now(replica)
    if (out === undefined) return false
    outbox.messages.readRound(out, this.number, this.blocks.length)
    for (let slot = 0; slot < this.blocks.length; slot++)
      outbox.messages.readRoundBlock(out, this.blocks[slot] as number, this.asked[slot] as number)
    return true
  }

  hasAsked(block: number): boolean {
    return this.slots[block] !== 0
  }

  noteAbsent(block: number, from: number): void {
    const slot = this.slot(block)
    this.absent[slot] = (this.absent[slot] as number) | (1 << from)
  }

  noteNeed(block: number, from: number, index: number): void {
    const at = this.slot(block) * this.core.replicaCount + from
    this.named[at] = Math.max(this.named[at] as number, index)
  }

  /** `from` durably has the same ballot as this replica; returns the bits of all who have it. */
  noteSame(block: number, from: number, instance: number, round: number, process: ProcessRef): number {
    const slot = this.slot(block)
    if (this.sameInstance[slot] !== instance || this.sameRound[slot] !== round || this.sameProcess[slot] !== process) {
      this.sameInstance[slot] = instance
      this.sameRound[slot] = round
      this.sameProcess[slot] = process
      this.sameBallot[slot] = 1 << this.core.replica
    }
    this.sameBallot[slot] = (this.sameBallot[slot] as number) | (1 << from)
    return this.sameBallot[slot] as number
  }

  /**
   * What the block must have applied: of all majorities that have answered, this replica among them, the one that names the
   * lowest maximum suffices. So one replica that names an index which nobody has holds up no read that others can answer.
   */
  needOf(block: number): number {
    const { core } = this
    const slot = this.slot(block)
    const from = slot * core.replicaCount
    const answered = this.answered & ~(this.absent[slot] as number)
    let members = 1 << core.replica
    let need = this.own[slot] as number
    while (!core.isReadQuorum(members) && (answered & ~members) !== 0) {
      let next = -1
      for (let replica = 0; replica < core.replicaCount; replica++) {
        if ((answered & ~members & (1 << replica)) === 0) continue
        if (next < 0 || (this.named[from + replica] as number) < (this.named[from + next] as number)) next = replica
      }
      members |= 1 << next
      need = Math.max(need, this.named[from + next] as number)
    }
    return need
  }

  /** A majority of the group has answered, and votes in the block. */
  hasMajority(block: number): boolean {
    return this.core.isReadQuorum(this.answered & ~(this.absent[this.slot(block)] as number))
  }

  /** Another incarnation has taken the replica's place: what the former one answered is void (⚖5). */
  forget(replica: number): void {
    this.answered &= ~(1 << replica)
    for (let slot = 0; slot < this.blocks.length; slot++) {
      this.sameBallot[slot] = (this.sameBallot[slot] as number) & ~(1 << replica)
      this.absent[slot] = (this.absent[slot] as number) & ~(1 << replica)
      this.named[slot * this.core.replicaCount + replica] = 0
    }
  }

  private slot(block: number): number {
    return (this.slots[block] as number) - 1
  }
}
