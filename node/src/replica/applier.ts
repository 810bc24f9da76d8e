/**
 * Applies what was chosen in a turn: one call into the engine for all entries of all blocks, then answers to the writes
 * of this process among them.
 *
 * Batch layout (node/src/engine/port.ts): `u32 count | (u16 block | u48 index | 28 bytes value id | u8 want | u32 length
 * | entry)*`; each request of a wanted entry is answered by 15 bytes.
 */
import { ByteWriter, ERRORS } from '@thermocline/protocol'
import type { Engine } from '../engine/port.ts'
import { writeAnswer, writeFailure } from '../kv/answers.ts'
import type { BlockState } from '../paxos/block-state.ts'
import type { ChosenEntry, Core } from '../paxos/core.ts'

const ANSWER_BYTES = 15
/** Entries are handed to the engine in batches of at most about this many bytes. */
const BATCH_BYTES = 4 * 1024 * 1024

export class Applier {
  private readonly core: Core
  private readonly engine: Engine
  private readonly batch = new ByteWriter(256 * 1024)
  private answers = new Uint8Array(ANSWER_BYTES * 4096)
  private view = new DataView(this.answers.buffer)
  private readonly observer: ((entry: ChosenEntry) => void) | undefined
  private readonly setAside: (state: BlockState, reason: string) => void
  applied = 0

  /**
   * @param setAside is called for a block whose next entry cannot be applied.
   * @param observer sees every entry in the order of application: the simulator's invariants.
   */
  constructor(
    core: Core,
    engine: Engine,
    setAside: (state: BlockState, reason: string) => void,
    observer: ((entry: ChosenEntry) => void) | undefined,
  ) {
    this.core = core
    this.engine = engine
    this.setAside = setAside
    this.observer = observer
  }

  /** Applies everything chosen and not yet applied. */
  run(): void {
    while (this.core.chosenEntries.length > 0) {
      const entries = this.core.chosenEntries
      this.core.chosenEntries = []
      let from = 0
      while (from < entries.length) from = this.applyFrom(entries, from)
    }
  }

  private applyFrom(entries: ChosenEntry[], from: number): number {
    const { batch } = this
    batch.reset()
    batch.u32(0)
    let requests = 0
    let to = from
    for (; to < entries.length && (to === from || batch.length < BATCH_BYTES); to++) {
      const chosen = entries[to] as ChosenEntry
      // Entries of a block that was set aside end the batch: they are passed over.
      if (this.core.block(chosen.block).isSetAside) break
      this.add(chosen)
      requests += chosen.writes?.length ?? 0
    }
    if (to === from) {
      this.passOver(entries[from] as ChosenEntry)
      return from + 1
    }
    batch.patchU32(0, to - from)
    if (this.answers.length < requests * ANSWER_BYTES) {
      this.answers = new Uint8Array(requests * ANSWER_BYTES * 2)
      this.view = new DataView(this.answers.buffer)
    }
    const written = this.engine.apply(batch.bytes, batch.length, this.answers)
    const end = written < 0 ? from - 1 - written : to
    this.applied += end - from
    this.answer(entries, from, end)
    if (written < 0) {
      const { block, index } = entries[end] as ChosenEntry
      this.setAside(this.core.block(block), `entry ${index} of block ${block} cannot be applied: ${this.engine.refusal()}`)
    }
    return end
  }

  /** It is chosen and not applied here: of its writes only that is known. */
  private passOver({ block, writes }: ChosenEntry): void {
    if (writes === undefined) return
    const body = writeFailure(0, 0, `block ${block} is set aside on this replica; the write is decided, and its answer is not known here`)
    for (const write of writes) write.answer(ERRORS.unknown.number, body)
  }

  private add({ block, index, valueProcess, valueCounter, entry, writes }: ChosenEntry): void {
    const { batch } = this
    batch.u16(block)
    batch.u48(index)
    this.core.processes.write(batch, valueProcess)
    batch.u48(valueCounter)
    batch.u16(0)
    batch.u8(writes === undefined ? 0 : 1)
    batch.u32(entry.length)
    batch.put(entry)
  }

  private answer(entries: ChosenEntry[], from: number, to: number): void {
    let at = 0
    for (let i = from; i < to; i++) {
      const chosen = entries[i] as ChosenEntry
      this.observer?.(chosen)
      if (chosen.writes === undefined) continue
      for (const write of chosen.writes) {
        const index = this.view.getUint16(at + 5, true) * 0x1_0000_0000 + this.view.getUint32(at + 1, true)
        const [error, body] = writeAnswer(this.answers[at] as number, index, this.answers, at + 7)
        write.answer(error, body)
        at += ANSWER_BYTES
      }
    }
  }
}
