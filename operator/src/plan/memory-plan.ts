/**
 * From what was found of a MemoryGroup to what is to be done, in the order in which it is done. Pure. The topology is not made here: the
 * PaxosGroup's plan lists the machines (memory-topology.ts).
 */
import { MAX_MEMORY_MACHINES } from '@thermocline/protocol'
import type { MemoryGroupStatus } from '../api/memory-group.ts'
import {
  type MemoryMarks,
  memoryAccount,
  memoryBudget,
  memoryMarks,
  memoryService,
  memoryStatefulSet,
  memoryTemplateHash,
} from '../specs/memory-objects.ts'
import type { MemoryTier } from '../specs/memory-tier.ts'
import type { KubeObject } from '../specs/object.ts'
import type { ObservedMachine, ObservedMemoryGroup, ObservedMemoryPart, ObservedMemorySet, ObservedStorage } from './memory-observed.ts'
import { planScalingIn, type ScalingIn } from './memory-scaling.ts'
import { makeMemoryStatus } from './memory-status.ts'
import type { MemoryLimit } from './observed.ts'

export type MemoryAction =
  | { readonly do: 'apply'; readonly object: KubeObject }
  /** Compare-and-set in the cluster's ConfigMap; undefined takes it away. */
  | { readonly do: 'limit'; readonly limit: MemoryLimit | undefined; readonly resourceVersion: string }
  /** Of a StatefulSet whose pods' template stays as it is. */
  | {
      readonly do: 'adjust'
      readonly group: number
      readonly uid: string
      readonly replicas: number
      readonly partition: number
      readonly why: 'scaled out' | 'scaled in' | 'paused' | 'resumed'
    }
  /** Labels and owner of a StatefulSet that somebody changed; its pods' template stays as it is. */
  | { readonly do: 'mark'; readonly group: number; readonly uid: string; readonly marks: MemoryMarks }
  /** Without its kubelet's word, which nobody can get: so that the StatefulSet makes another. */
  | { readonly do: 'deletePod'; readonly pod: string; readonly uid: string; readonly why: string }
  /** With its pods, its Service and its budget. */
  | { readonly do: 'removeGroup'; readonly group: number; readonly uid: string | undefined }

export interface MemoryPlan {
  readonly actions: readonly MemoryAction[]
  readonly status: MemoryGroupStatus
  /** When to look again although nothing changes. */
  readonly againAfterMs: number
}

const SETTLED_POLL_MS = 10_000
const BUSY_POLL_MS = 1000
/** Above all machines: none is made anew. */
const NONE = MAX_MEMORY_MACHINES

export function makeMemoryPlan(tier: MemoryTier, observed: ObservedMemoryGroup): MemoryPlan {
  const { spec } = tier
  const { storage } = observed
  const to: MemoryLimit = { uid: tier.uid, groups: wantedGroups(tier, observed), replicas: spec.replicas }
  const scalingIn = planScalingIn(tier, to, observed)
  const status = makeMemoryStatus({ tier, observed, wanted: to, scalingIn })
  const isSettled = status.conditions?.find(({ type }) => type === 'Progressing')?.status === 'False'
  const pollMs = isSettled && status.phase !== 'Degraded' ? SETTLED_POLL_MS : BUSY_POLL_MS
  return {
    actions: spec.paused ? pauseActions(observed) : storage === undefined ? [] : actionsOf(tier, observed, to, scalingIn, storage),
    status,
    againAfterMs: Math.min(pollMs, scalingIn?.againAfterMs ?? pollMs),
  }
}

/** As many as the storage tier has, and as there are while that is not known. */
export function wantedGroups(
  { spec }: Pick<MemoryTier, 'spec'>,
  { storage, parts }: Pick<ObservedMemoryGroup, 'storage' | 'parts'>,
): number {
  return spec.groups ?? storage?.topology?.groups.length ?? storage?.groups ?? parts.length
}

/** A change of the pods that is under way stops where it is. */
function pauseActions({ parts }: ObservedMemoryGroup): MemoryAction[] {
  return parts.flatMap(({ set }, group) =>
    set === undefined || set.isDeleting || set.partition === NONE
      ? []
      : [{ do: 'adjust', group, uid: set.uid, replicas: set.replicas, partition: NONE, why: 'paused' }],
  )
}

function actionsOf(
  tier: MemoryTier,
  { parts, nodes }: ObservedMemoryGroup,
  to: MemoryLimit,
  scalingIn: ScalingIn | undefined,
  { limit, resourceVersion }: ObservedStorage,
): MemoryAction[] {
  const wanted = Array.from({ length: to.groups }, (_, group) => group)
  return [
    { do: 'apply', object: memoryAccount(tier) },
    ...wanted.flatMap((group): MemoryAction[] => [
      { do: 'apply', object: memoryService(tier, group) },
      { do: 'apply', object: memoryBudget(tier, group) },
      ...setActions(tier, group, parts[group], scalingIn),
    ]),
    ...parts.flatMap((part, group) => (group < to.groups ? [] : removeActions(part, group, scalingIn))),
    ...parts.flatMap(({ machines }) => machines.flatMap((one) => stuckActions(one, nodes))),
    ...limitActions({ parts, to, scalingIn, limit, resourceVersion }),
  ]
}

function setActions(
  tier: MemoryTier,
  group: number,
  part: ObservedMemoryPart | undefined,
  scalingIn: ScalingIn | undefined,
): MemoryAction[] {
  const set = part?.set
  if (set?.isDeleting === true) return []
  const { replicas } = tier.spec
  const mayScaleIn = scalingIn === undefined || scalingIn.isDue
  if (set === undefined || set.templateHash !== memoryTemplateHash(tier)) {
    // Pods without their StatefulSet would end with it if it were made smaller than they are many.
    const there = set?.replicas ?? podsOf(part)
    return [{ do: 'apply', object: memoryStatefulSet(tier, group, mayScaleIn && set !== undefined ? replicas : Math.max(there, replicas)) }]
  }
  const marks = memoryMarks(tier, group)
  const marking: MemoryAction[] = isMarked(set, marks) ? [] : [{ do: 'mark', group, uid: set.uid, marks }]
  const next = mayScaleIn ? replicas : Math.max(set.replicas, replicas)
  if (next === set.replicas && set.partition === 0) return marking
  const why = next > set.replicas ? 'scaled out' : next < set.replicas ? 'scaled in' : 'resumed'
  return [...marking, { do: 'adjust', group, uid: set.uid, replicas: next, partition: 0, why }]
}

function isMarked({ labels, owner }: ObservedMemorySet, marks: MemoryMarks): boolean {
  return owner !== undefined && Object.entries(marks.labels).every(([name, value]) => labels[name] === value)
}

/** It was to end on a machine that is gone, and holds its name until somebody says that it has. Two of a name would do no harm. */
function stuckActions({ pod }: ObservedMachine, nodes: ObservedMemoryGroup['nodes']): MemoryAction[] {
  const { name, uid, node, isDeleting = false } = pod ?? {}
  if (name === undefined || uid === undefined || node === undefined || !isDeleting || nodes.size === 0) return []
  const found = nodes.get(node)
  if (found?.isReady === true) return []
  return [{ do: 'deletePod', pod: name, uid, why: `node ${node} is ${found === undefined ? 'gone' : 'not ready'}` }]
}

function podsOf(part: ObservedMemoryPart | undefined): number {
  return Math.max(0, ...(part?.machines ?? []).flatMap(({ pod, machine }) => (pod === undefined || pod.isDeleting ? [] : [machine + 1])))
}

function removeActions({ set, hasObjects }: ObservedMemoryPart, group: number, scalingIn: ScalingIn | undefined): MemoryAction[] {
  if (set === undefined) return hasObjects ? [{ do: 'removeGroup', group, uid: undefined }] : []
  return scalingIn?.isDue === true && !set.isDeleting ? [{ do: 'removeGroup', group, uid: set.uid }] : []
}

interface Limiting {
  readonly parts: readonly ObservedMemoryPart[]
  readonly to: MemoryLimit
  readonly scalingIn: ScalingIn | undefined
  readonly limit: MemoryLimit | undefined
  readonly resourceVersion: string
}

/** It goes when the machines beyond it have: one that is listed anew is not the one that is about to end. */
function limitActions({ parts, to, scalingIn, limit, resourceVersion }: Limiting): MemoryAction[] {
  if (scalingIn !== undefined) return scalingIn.isLimited ? [] : [{ do: 'limit', limit: to, resourceVersion }]
  if (limit === undefined) return []
  const isEnding = ({ machines }: ObservedMemoryPart): boolean => machines.some(({ pod }) => pod?.isDeleting === true)
  const isOurs = limit.uid === to.uid
  return isOurs && parts.some(isEnding) ? [] : [{ do: 'limit', limit: undefined, resourceVersion }]
}
