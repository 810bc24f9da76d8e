/** The decided entries of a run, and the replay of them through the model at its end. */
import { ByteReader, ERRORS, readEntry } from '@thermocline/protocol'
import { type ModelAnswer, ModelBlock, type ModelRequest } from '../../src/engine/model.ts'
import type { HistoryRecord, WriteRecord } from './history.ts'
import type { Applied, Invariant } from './invariant.ts'
import { mapEntry } from './map-entry.ts'

export class Decided {
  private readonly entries = new Map<number, Uint8Array[]>()

  /** Takes the entry if it is the block's next. */
  note({ block, index, entry }: Applied): void {
    const log = mapEntry(this.entries, block, () => [])
    if (index === log.length + 1) log.push(entry.slice())
  }

  lastIndex(block: number): number {
    return this.entries.get(block)?.length ?? 0
  }

  get blocks(): Iterable<number> {
    return this.entries.keys()
  }

  /** Shows the invariants every block's history, beside what the decided entries come to. */
  replay(history: readonly HistoryRecord[], sliceDurationMs: number, invariants: readonly Invariant[]): void {
    const byBlock = Map.groupBy(history, (record) => record.block)
    for (const block of new Set([...byBlock.keys(), ...this.entries.keys()])) {
      const records = byBlock.get(block) ?? []
      for (const invariant of invariants) invariant.onBlock?.(block, records, this.lastIndex(block))
      const effects = this.replayBlock(block, records, new ModelBlock(sliceDurationMs), invariants)
      for (const invariant of invariants) invariant.onBlockEnd?.(block, records, effects)
    }
  }

  private replayBlock(
    block: number,
    records: readonly HistoryRecord[],
    model: ModelBlock,
    invariants: readonly Invariant[],
  ): ReadonlyMap<string, ModelAnswer> {
    const effects = new Map<string, ModelAnswer>()
    const writes = new Map<string, WriteRecord>()
    for (const record of records) if (record.kind === 'write') writes.set(record.requestId, record)
    for (const invariant of invariants) invariant.onState?.(block, model)
    for (const entry of this.entries.get(block) ?? []) {
      const decoded = readEntry(new ByteReader(entry))
      const requests = decoded.requests.map(toModelRequest)
      const ids = requests.map((request) => Buffer.from(request.requestId).toString('hex'))
      const expected = requests.map((request, i) => writes.get(ids[i] as string)?.expected(model) ?? request.outcome)
      for (const [i, answer] of model.apply(decoded.horizon, requests).entries()) {
        const requestId = ids[i] as string
        if (answer.outcome === ERRORS.expired.number || answer.outcome === ERRORS.bad_stamp.number) continue
        const first = effects.get(requestId)
        for (const invariant of invariants) invariant.onEffect?.({ block, requestId, answer, expected: expected[i] as number, first })
        if (first === undefined) effects.set(requestId, answer)
      }
      for (const invariant of invariants) invariant.onState?.(block, model)
    }
    return effects
  }
}

function toModelRequest(request: ReturnType<typeof readEntry>['requests'][number]): ModelRequest {
  return {
    requestId: request.requestId,
    stamp: request.stamp,
    outcome: request.outcome,
    detail: request.detail,
    series: Buffer.from(request.series).toString(),
    ops: request.ops.map(({ kind, id, value }) => ({ kind, id: Buffer.from(id).readBigUInt64BE(), value })),
  }
}
