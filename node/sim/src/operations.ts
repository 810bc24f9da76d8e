/**
 * The operations that simulated clients draw: all there are, on few records of few series, so that they collide; among the ids the
 * lowest and the highest, among the values none and long ones, among the bounds of scans all kinds.
 */
import {
  appendOp,
  Condition,
  deleteOp,
  ERRORS,
  MAX_ID,
  MAX_INDEX,
  MAX_SLICE,
  MIN_ID,
  putOp,
  type RecordId,
  type ScanRange,
  type WriteConditions,
  type WriteOp,
} from '@thermocline/protocol'
import type { Random } from '@thermocline/simulation'
import type { ModelBlock } from '../../src/engine/model.ts'
import { SLICE_MS } from './topologies.ts'

/** Half of a slice apart: two to a page. */
const COMMON_IDS: readonly RecordId[] = Array.from({ length: 4 }, (_, number) => ({ ms: number * 512, seq: 0 }))
/** One to a page. The first and the last id there can be, and neighbours of what is common. */
const RARE_IDS: readonly RecordId[] = [MIN_ID, MAX_ID, { ms: MAX_ID.ms, seq: 0 }, { ms: 512, seq: 65_535 }, { ms: 2 ** 32, seq: 1 }]
const RARE = 0.08
const RARE_SLICES = [MAX_SLICE, Math.floor(MAX_ID.ms / SLICE_MS)]

export const bigOf = ({ ms, seq }: RecordId): bigint => (BigInt(ms) << 16n) | BigInt(seq)

export function drawId(random: Random): RecordId {
  return random.pick(random.chance(RARE) ? RARE_IDS : COMMON_IDS)
}

function drawConditions(random: Random): WriteConditions {
  const kind = random.below(4)
  if (kind === 2) return { ifAbsent: true }
  if (kind === 3) return { ifVersion: random.chance(0.02) ? MAX_INDEX : 1 + random.below(30) }
  return {}
}

/** @param text unique: what is read tells who wrote it. */
function drawValue(random: Random, text: string, longBytes: number): Uint8Array {
  if (random.chance(0.03)) return new Uint8Array(0)
  return Buffer.from(text + 'x'.repeat(random.below(random.chance(0.02) ? longBytes : 60)))
}

/** @param longBytes some values are about as long. */
export function drawWrite(random: Random, text: string, longBytes: number): WriteOp[] {
  if (random.chance(0.12)) return [appendOp(drawValue(random, text, longBytes))]
  if (random.chance(0.2)) {
    const { ifVersion } = drawConditions(random)
    return [deleteOp(drawId(random), { ifVersion })]
  }
  const count = random.chance(0.15) ? 2 + random.below(3) : 1
  const ops = new Map<bigint, WriteOp>()
  for (let at = 0; at < count; at++) {
    const id = drawId(random)
    const isDelete = count > 1 && random.chance(0.3)
    const op = isDelete ? deleteOp(id, {}) : putOp(id, drawValue(random, `${text}.${at}`, longBytes), drawConditions(random))
    if (!ops.has(bigOf(id))) ops.set(bigOf(id), op)
  }
  return [...ops.values()]
}

export function drawRange(random: Random): ScanRange {
  const all = random.chance(0.5)
  const [one, other] = [drawId(random), drawId(random)]
  const isOrdered = bigOf(one) <= bigOf(other)
  return {
    from: all ? MIN_ID : isOrdered ? one : other,
    to: all ? MAX_ID : isOrdered ? other : one,
    limit: random.pick([1, 2, 5, 1000, 10_000]),
    reverse: random.chance(0.7),
  }
}

export function drawSlices(random: Random): number[] {
  const count = 1 + random.below(4)
  return Array.from({ length: count }, () => (random.chance(RARE) ? random.pick(RARE_SLICES) : random.below(4)))
}

/** What the conditions of a write come to: 0, or an error number. */
export function expectedOutcome(model: ModelBlock, series: string, ops: readonly WriteOp[]): number {
  for (const { condition, id, version } of ops) {
    const record = model.get(series, bigOf(id))
    if (condition === Condition.ifAbsent && record !== undefined) return ERRORS.precondition_failed.number
    if (condition === Condition.ifVersion && (record?.version ?? 0) !== version) return ERRORS.precondition_failed.number
  }
  return 0
}
