/**
 * Scaling in without a failed request. Machines that go leave the topology first, and end only when no client is sent to them any more:
 *
 *     limit written ──PaxosGroup's next topology lists nothing beyond it──► unlisted: every storage node holds that, or a newer one
 *                   ──UNLISTED_MS later, when clients have heard of it and their requests have ended──► fewer replicas ──► limit taken away
 *
 * The limit stands in the cluster's ConfigMap, which every new epoch is named in by compare-and-set before a node is given it. So a pass
 * that planned a topology before the limit was there cannot name it any more, and once what is in force lists nothing beyond the limit,
 * nothing will while it stands: no clock and no cache is relied upon. A storage replica that does not answer is waited for, but not for ever:
 * one that returns with an older topology costs its clients a refused connection, no more.
 */
import type { MemoryTopology } from '@thermocline/protocol'
import type { MemoryGroupStatus } from '../api/memory-group.ts'
import { formatTime, parseTime } from '../api/time.ts'
import type { ObservedMemoryGroup, ObservedStorage } from './memory-observed.ts'
import { type MemoryAt, machineOf } from './memory-topology.ts'
import type { MemoryLimit } from './observed.ts'

/** Clients that watch have a new topology within 2 s, and their requests under way end. */
export const UNLISTED_MS = 5000
/** Replicas that do not answer, and topologies that were named and given to nobody, are waited for so long. */
export const PATIENCE_MS = 120_000

export interface ScalingIn {
  /** What machines are to be left. */
  readonly to: MemoryLimit
  readonly isLimited: boolean
  /** No client is sent to the others any more: they may end. */
  readonly isDue: boolean
  readonly status: NonNullable<MemoryGroupStatus['scalingIn']>
  /** What is waited for, in words. */
  readonly waitsFor: string
  readonly againAfterMs: number | undefined
}

/** Undefined: nothing is to go. */
export function planScalingIn(
  at: MemoryAt,
  to: MemoryLimit,
  { nowMs, status, parts, storage }: ObservedMemoryGroup,
): ScalingIn | undefined {
  const isTooMuch = parts.some(({ set }, group) => set !== undefined && (group >= to.groups || set.replicas > to.replicas))
  if (!isTooMuch || storage === undefined) return undefined
  const isLimited = isSameLimit(storage.limit, to)
  const last = status.scalingIn
  const before = last?.groups === to.groups && last.replicas === to.replicas && isLimited ? last : undefined
  const startedAt = before?.startedAt ?? formatTime(nowMs)
  const base = { groups: to.groups, replicas: to.replicas, startedAt }
  const waitsFor = isLimited ? whyListed(at, to, storage, nowMs - parseTime(startedAt) >= PATIENCE_MS) : 'the limit of what is listed'
  if (waitsFor !== undefined) return { to, isLimited, isDue: false, status: base, waitsFor, againAfterMs: undefined }
  const unlistedAt = before?.unlistedAt ?? formatTime(nowMs)
  // A time in a status has whole seconds: the fraction that was cut off is waited for, too.
  const leftMs = parseTime(unlistedAt) + UNLISTED_MS + 1000 - nowMs
  return {
    to,
    isLimited,
    isDue: before?.unlistedAt !== undefined && leftMs <= 0,
    status: { ...base, unlistedAt },
    waitsFor: 'requests under way',
    againAfterMs: Math.max(0, leftMs),
  }
}

export const isSameLimit = (a: MemoryLimit | undefined, b: MemoryLimit): boolean =>
  a?.uid === b.uid && a.groups === b.groups && a.replicas === b.replicas

/** Why clients may still be sent to machines beyond the limit; undefined if they are not. */
function whyListed(at: MemoryAt, to: MemoryLimit, storage: ObservedStorage, isPatienceOver: boolean): string | undefined {
  const { topology, epochs, namedEpoch } = storage
  if (topology === undefined) return 'an answer of the storage tier'
  if (lists(at, to, topology.memory)) return 'a topology without them'
  const behind = epochs.filter((epoch) => epoch !== undefined && epoch < topology.epoch).length
  if (behind > 0) return `${behind} storage replicas to take epoch ${topology.epoch}`
  if (isPatienceOver) return undefined
  const silent = epochs.filter((epoch) => epoch === undefined).length
  if (silent > 0) return `${silent} storage replicas to answer`
  return namedEpoch > topology.epoch ? `epoch ${namedEpoch}, which is on its way` : undefined
}

function lists(at: MemoryAt, to: MemoryLimit, memory: MemoryTopology | undefined): boolean {
  return (memory?.groups ?? []).some((machines, group) =>
    machines.some(({ data }) => {
      const machine = machineOf(at, group, data)
      return machine !== undefined && (group >= to.groups || machine >= to.replicas)
    }),
  )
}
