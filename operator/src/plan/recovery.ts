/**
 * Learner-Only recovery: replaces a replica whose volume is lost, and follows any replica that learns until it votes.
 *
 *     lost ──replaceAfter──► replacing (claim and pod deleted) ──pod runs on an empty volume──► learning ──► voter
 *
 * Where it stands is in `status.jobs`; each step can be done again. Most losses need no replacing: a pod that comes up on an
 * empty volume rejoins by itself, as soon as it is given the topology. What needs the operator is a claim that is bound to a
 * volume nobody can reach any more.
 */

import type { Job, PaxosGroupSpec } from '../api/paxos-group.ts'
import { parseDuration } from '../api/quantity.ts'
import { formatTime, parseTime } from '../api/time.ts'
import { quorumOf } from '../specs/cluster.ts'
import { mayReplace } from './disruption.ts'
import type { Observed, ObservedReplica } from './observed.ts'
import { describe } from './rollout.ts'
import { isVoter, votersOf } from './voters.ts'

export type RecoveryStep =
  | { readonly do: 'deleteClaim'; readonly group: number; readonly replica: number; readonly uid: string; readonly why: string }
  | { readonly do: 'deletePod'; readonly group: number; readonly replica: number; readonly uid: string; readonly why: string }

export interface Recovery {
  readonly steps: readonly RecoveryStep[]
  readonly jobs: readonly Job[]
  /** What only people can decide, per group in trouble. */
  readonly needsOperator: readonly string[]
  readonly againAfterMs: number | undefined
}

export function planRecovery(spec: PaxosGroupSpec, observed: Observed): Recovery {
  const plans = observed.groups.flatMap((replicas) => {
    const lost = replicas.filter((one) => lossOf(one, observed) !== undefined)
    return replicas.filter((one) => !isVoter(one)).map((one) => recover(one, { spec, observed, replicas, isOnlyLoss: lost.length === 1 }))
  })
  const waits = plans.flatMap(({ againAfterMs }) => (againAfterMs === undefined ? [] : [againAfterMs]))
  return {
    steps: plans.flatMap(({ steps }) => steps ?? []),
    jobs: plans.flatMap(({ job }) => (job === undefined ? [] : [job])),
    needsOperator: plans.flatMap(({ needsOperator }) => (needsOperator === undefined ? [] : [needsOperator])),
    againAfterMs: waits.length === 0 ? undefined : Math.min(...waits),
  }
}

interface Situation {
  readonly spec: PaxosGroupSpec
  readonly observed: Observed
  /** The replica's group. */
  readonly replicas: readonly ObservedReplica[]
  readonly isOnlyLoss: boolean
}

interface ReplicaPlan {
  readonly steps?: readonly RecoveryStep[]
  readonly job?: Job
  readonly needsOperator?: string
  readonly againAfterMs?: number
}

function recover(one: ObservedReplica, situation: Situation): ReplicaPlan {
  const { observed } = situation
  const before = observed.status.jobs?.find(
    ({ type, group, replica }) => type === 'Recovery' && group === one.group && replica === one.replica,
  )
  const startedAt = before?.startedAt ?? formatTime(observed.nowMs)
  const base = { type: 'Recovery' as const, group: one.group, replica: one.replica, startedAt }
  const loss = lossOf(one, observed)
  if (loss !== undefined) return replace(one, loss, base, situation)
  const { facts } = one
  if (facts?.learner !== undefined || facts?.state === 'learning') {
    const job = { ...base, step: 'Learning', message: describe(one), ...progressOf(one) }
    const { stuck = 0 } = facts.learner ?? {}
    if (stuck === 0) return { job }
    return {
      job,
      needsOperator: `replica ${one.replica} of group ${one.group} cannot vote again in ${stuck} blocks: too few others do, or their content differs`,
    }
  }
  // Between its old volume and its first words from the new one.
  return before?.step === 'Replacing' ? { job: { ...before, message: describe(one) }, steps: remake(one) } : {}
}

function replace(
  one: ObservedReplica,
  loss: string,
  base: Pick<Job, 'type' | 'group' | 'replica' | 'startedAt'>,
  { spec, observed, replicas, isOnlyLoss }: Situation,
): ReplicaPlan {
  const voters = votersOf(replicas)
  if (!isOnlyLoss || !mayReplace(voters, one.replica)) {
    const needed = voters.length - quorumOf(voters.length) + 1
    return {
      job: { ...base, step: 'Blocked', message: loss },
      needsOperator: `${loss}; ${voters.filter(Boolean).length} replicas of the group vote, and ${needed} must, and no other be lost, for one to be replaced: bring back a node or a volume of it, or restore it`,
    }
  }
  const leftMs = parseTime(base.startedAt) + (parseDuration(spec.replaceAfter) as number) - observed.nowMs
  if (leftMs > 0) {
    const message = `${loss}; replaced at ${formatTime(observed.nowMs + leftMs)} unless it returns`
    return { job: { ...base, step: 'Waiting', message }, againAfterMs: leftMs }
  }
  const { group, replica, claim, pod } = one
  const steps: RecoveryStep[] = []
  if (claim !== undefined && !claim.isDeleting) steps.push({ do: 'deleteClaim', group, replica, uid: claim.uid, why: loss })
  if (pod !== undefined) steps.push({ do: 'deletePod', group, replica, uid: pod.uid, why: loss })
  return { job: { ...base, step: 'Replacing', message: `${loss}; claim and pod are deleted, so that it starts anew elsewhere` }, steps }
}

/** Decided again, of the group as it is right before the act. */
export function mayGiveUp(
  replica: number,
  claimUid: string,
  observed: Pick<Observed, 'nodes' | 'canSeeNodes'>,
  replicas: readonly ObservedReplica[],
): boolean {
  const lost = replicas.filter((one) => lossOf(one, observed) !== undefined)
  const isIt = lost.length === 1 && lost[0]?.replica === replica && lost[0].claim?.uid === claimUid
  return isIt && mayReplace(votersOf(replicas), replica)
}

/** A pod that was made while the old claim was still there gets none: only a new pod does. */
function remake({ group, replica, claim, pod }: ObservedReplica): RecoveryStep[] {
  if (claim !== undefined || pod === undefined || pod.node !== undefined || pod.isDeleting) return []
  return [{ do: 'deletePod', group, replica, uid: pod.uid, why: 'it was made before its claim was gone' }]
}

/** Why the replica's volume can't come back by itself; undefined if it can, or if that is not known. */
export function lossOf(
  { group, replica, claim, pod }: ObservedReplica,
  { nodes, canSeeNodes }: Pick<Observed, 'nodes' | 'canSeeNodes'>,
): string | undefined {
  const name = `replica ${replica} of group ${group}`
  if (claim === undefined) return undefined
  if (claim.isLost) return `${name} has lost the volume behind claim ${claim.name}`
  if (!canSeeNodes || claim.pinnedTo === undefined) return undefined
  const hasNode = claim.pinnedTo.some((node) => nodes.get(node)?.isReady === true)
  // A pod that runs is the better witness.
  if (hasNode || pod?.isReady === true) return undefined
  return `${name} has its volume on node ${claim.pinnedTo.join(' or ')}, which is ${claim.pinnedTo.some((node) => nodes.has(node)) ? 'not ready' : 'gone'}`
}

function progressOf({ facts }: ObservedReplica): Pick<Job, 'progress' | 'etaSeconds'> {
  const learner = facts?.learner
  if (learner === undefined) return {}
  return {
    progress: Math.floor((learner.voting * 100) / Math.max(1, learner.blocks)),
    ...(learner.etaMs === undefined ? {} : { etaSeconds: Math.ceil(learner.etaMs / 1000) }),
  }
}
