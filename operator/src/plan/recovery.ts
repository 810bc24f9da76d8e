/**
 * Learner-Only recovery: replaces a replica whose volume is lost, and follows any replica that learns until it votes.
 *
 *     lost ──replaceAfter──► replacing (claim and pod deleted) ──pod runs on an empty volume──► learning ──► voter
 *     foreign ──replaceAfter──► replacing (what is on it is moved aside) ──it runs on an empty folder──► learning ──► voter
 *
 * Where it stands is in `status.jobs`; each step can be done again. Most losses need no replacing: a pod that comes up on an
 * empty volume rejoins by itself, as soon as it is given the topology. What needs the operator is a claim that is bound to a
 * volume nobody can reach any more, and a volume with the data of others (docs/decisions/0012): that is never deleted, nor is a claim
 * that was ever seen to hold some.
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
  | { readonly do: 'markClaim'; readonly group: number; readonly replica: number; readonly claim: string; readonly owner: string }
  | { readonly do: 'setVolumeAside'; readonly group: number; readonly replica: number; readonly why: string }

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
  if (loss !== undefined) return replace(one, loss, base, situation, before?.step === 'Blocked')
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
  const steps = remake(one, before?.step === 'Replacing')
  return before?.step === 'Replacing' ? { job: { ...before, message: describe(one) }, steps } : { steps }
}

function replace(
  one: ObservedReplica,
  { kind, why }: Loss,
  since: Pick<Job, 'type' | 'group' | 'replica' | 'startedAt'>,
  { spec, observed, replicas, isOnlyLoss }: Situation,
  wasBlocked: boolean,
): ReplicaPlan {
  const voters = votersOf(replicas)
  const marks = kind === 'foreign' ? mark(one) : []
  if (!isOnlyLoss || !mayReplace(voters, one.replica)) {
    const needed = voters.length - quorumOf(voters.length) + 1
    return {
      job: { ...since, step: 'Blocked', message: why },
      steps: marks,
      needsOperator: `${why}; voters of the group: ${voters.filter(Boolean).length} of ${voters.length}; to replace one takes ${needed}, and no other that is lost: bring back a node or a volume of it, or restore it`,
    }
  }
  // Others that were lost with it have just returned: it has the whole time again to follow them.
  const base = wasBlocked ? { ...since, startedAt: formatTime(observed.nowMs) } : since
  const { group, replica, claim, pod } = one
  if (kind === 'unreachable' && claim?.holdsForeign === true) {
    const message = `${why}; others’ data was found on it: delete claim ${claim.name} and pod ${pod?.name ?? ''} once that may go`
    return { job: { ...base, step: 'Blocked', message }, needsOperator: message }
  }
  const leftMs = parseTime(base.startedAt) + (parseDuration(spec.replaceAfter) as number) - observed.nowMs
  if (leftMs > 0) {
    const at = formatTime(observed.nowMs + leftMs)
    const ways = `put the right volume behind the claim, or delete claim and pod; else it is moved aside at ${at}, and the replica learns anew`
    const message = `${why}; ${kind === 'foreign' ? ways : `replaced at ${at} unless it returns`}`
    return { job: { ...base, step: 'Waiting', message }, steps: marks, againAfterMs: leftMs }
  }
  if (kind === 'foreign') {
    const message = `${why}; it is moved aside on the volume, so that the replica learns anew`
    return { job: { ...base, step: 'Replacing', message }, steps: [...marks, { do: 'setVolumeAside', group, replica, why }] }
  }
  const steps: RecoveryStep[] = []
  if (claim !== undefined && !claim.isDeleting) steps.push({ do: 'deleteClaim', group, replica, uid: claim.uid, why })
  if (pod !== undefined) steps.push({ do: 'deletePod', group, replica, uid: pod.uid, why })
  return { job: { ...base, step: 'Replacing', message: `${why}; claim and pod are deleted, so that it starts anew elsewhere` }, steps }
}

/** Remembered before anything else: the claim outlives the pod that says so. */
function mark({ group, replica, claim, foreign }: ObservedReplica): RecoveryStep[] {
  if (claim === undefined || claim.holdsForeign) return []
  const { owner } = foreign ?? {}
  return [{ do: 'markClaim', group, replica, claim: claim.name, owner: owner === undefined ? 'unknown' : Object.values(owner).join('/') }]
}

/** Decided again, of the group as it is right before the act. */
export function mayGiveUp(
  replica: number,
  claimUid: string,
  observed: Pick<Observed, 'nodes' | 'canSeeNodes'>,
  replicas: readonly ObservedReplica[],
): boolean {
  const { claim } = replicas[replica] ?? {}
  return claim?.uid === claimUid && !claim.holdsForeign && isOnlyLoss('unreachable', replica, observed, replicas)
}

/** Decided again, of the group as it is right before the act. */
export function maySetAside(
  replica: number,
  observed: Pick<Observed, 'nodes' | 'canSeeNodes'>,
  replicas: readonly ObservedReplica[],
): boolean {
  return replicas[replica]?.claim?.holdsForeign === true && isOnlyLoss('foreign', replica, observed, replicas)
}

function isOnlyLoss(
  kind: Loss['kind'],
  replica: number,
  observed: Pick<Observed, 'nodes' | 'canSeeNodes'>,
  replicas: readonly ObservedReplica[],
): boolean {
  const losses = replicas.map((one) => lossOf(one, observed))
  const isOnly = losses.every((loss, at) => (at === replica ? loss?.kind === kind : loss === undefined))
  return isOnly && mayReplace(votersOf(replicas), replica)
}

/**
 * A pod that was made while the old claim was still there gets none: only a new pod does. While it waits it may even be what keeps
 * the old claim from going, whoever deleted that.
 */
function remake({ group, replica, claim, pod }: ObservedReplica, isReplacing: boolean): RecoveryStep[] {
  const isWithout = claim === undefined ? isReplacing : claim.isDeleting
  if (!isWithout || pod === undefined || pod.node !== undefined || pod.isDeleting) return []
  return [{ do: 'deletePod', group, replica, uid: pod.uid, why: 'it was made before its claim was gone' }]
}

/** Its volume is out of reach, or it has another's. */
interface Loss {
  readonly kind: 'unreachable' | 'foreign'
  readonly why: string
}

/** Why the replica's volume can't come back by itself; undefined if it can, or if that is not known. */
function lossOf(one: ObservedReplica, observed: Pick<Observed, 'nodes' | 'canSeeNodes'>): Loss | undefined {
  if (one.foreign !== undefined) return { kind: 'foreign', why: describe(one) }
  const why = whyUnreachable(one, observed)
  return why === undefined ? undefined : { kind: 'unreachable', why }
}

function whyUnreachable(
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
