/** The status of a resource, from what was found and what is planned. */

import { podName } from '../api/names.ts'
import type { GroupStatus, Job, PaxosGroupSpec, PaxosGroupStatus, Phase, ReplicaStatus } from '../api/paxos-group.ts'
import { formatTime } from '../api/time.ts'
import { quorumOf } from '../specs/cluster.ts'
import type { Refusal } from './acceptance.ts'
import { mergeConditions, type Verdict } from './conditions.ts'
import { hasMajority } from './disruption.ts'
import type { Observed, ObservedReplica } from './observed.ts'
import { describe, type Rollout } from './rollout.ts'
import { isVoter, lagOf, votersOf } from './voters.ts'

export interface StatusInput {
  readonly name: string
  readonly spec: PaxosGroupSpec
  readonly observed: Observed
  readonly clusterId: string | undefined
  readonly epoch: number
  readonly selector: string
  /** What of the resource is not acted upon. */
  readonly refusals: readonly Refusal[]
  /** What a new cluster waits for; undefined once a majority of every group has voted. */
  readonly bootstrapWaits: string | undefined
  readonly rollout: Rollout
  readonly jobs: readonly Job[]
  readonly needsOperator: readonly string[]
}

export function makeStatus(input: StatusInput): PaxosGroupStatus {
  const { name, observed, clusterId, epoch, selector } = input
  const replicas = observed.groups.flat()
  const voters = replicas.filter(isVoter).length
  const ready = replicas.filter(({ pod }) => pod?.isReady === true).length
  const jobs = [...input.jobs, ...rolloutJobs(input)]
  return {
    observedGeneration: observed.generation,
    phase: phaseOf(input),
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(epoch === 0 ? {} : { topologyEpoch: epoch }),
    groups: observed.bootstrap?.initial?.volumes.length ?? 0,
    readyReplicas: ready,
    voters,
    ready: `${ready}/${replicas.length}`,
    votersSummary: `${voters}/${replicas.length}`,
    selector,
    conditions: mergeConditions(observed.status.conditions, verdictsOf(input, jobs), observed.nowMs, observed.generation),
    groupStatuses: observed.groups.map(
      (all, group): GroupStatus => ({ group, replicas: all.map((one) => replicaStatus(name, all, one, observed)) }),
    ),
    ...(jobs.length === 0 ? {} : { jobs }),
  }
}

function replicaStatus(name: string, all: readonly ObservedReplica[], one: ObservedReplica, { nodes }: Observed): ReplicaStatus {
  const { facts, pod } = one
  const zone = nodes.get(pod?.node ?? '')?.zone
  const lag = lagOf(all, one)
  return {
    replica: one.replica,
    pod: podName(name, one.group, one.replica),
    ...(zone === undefined || zone === '' ? {} : { zone }),
    ...(facts === undefined ? {} : { incarnation: `${facts.incarnation.number}:${facts.incarnation.nonce}`, version: facts.version }),
    mode: facts?.mode ?? 'Unknown',
    ...(lag === undefined ? {} : { lag: isVoter(one) ? roundLag(lag) : lag }),
    ...(isVoter(one) ? {} : { reason: describe(one) }),
  }
}

/** Voters are a few entries apart at any moment: what is less than this would only make status writes. */
const NOTABLE_LAG = 10_000
const roundLag = (lag: number): number => Math.floor(lag / NOTABLE_LAG) * NOTABLE_LAG

function rolloutJobs({ rollout, observed }: StatusInput): Job[] {
  if (rollout.outdated === 0) return []
  const before = observed.status.jobs?.find(({ type }) => type === 'RollingChange')
  const done = rollout.total - rollout.outdated
  return [
    {
      type: 'RollingChange',
      group: rollout.restarts[0]?.group ?? 0,
      step: rollout.restarts.length > 0 ? 'Restarting' : 'Waiting',
      startedAt: before?.startedAt ?? formatTime(observed.nowMs),
      message: `${done} of ${rollout.total} pods have the new template${rollout.waitsFor === undefined ? '' : `; waits for ${rollout.waitsFor}`}`,
      progress: Math.floor((done * 100) / Math.max(1, rollout.total)),
    },
  ]
}

function phaseOf({ spec, observed, bootstrapWaits, rollout, jobs, needsOperator }: StatusInput): Phase {
  if (spec.paused) return 'Paused'
  if (needsOperator.length > 0) return 'Degraded'
  if (bootstrapWaits !== undefined) return observed.groups.flat().some(({ pod }) => pod !== undefined) ? 'Bootstrapping' : 'Pending'
  if (!observed.groups.every((all) => hasMajority(votersOf(all)))) return 'Degraded'
  if (jobs.some(({ type }) => type === 'Recovery')) return 'Recovering'
  if (rollout.outdated > 0) return 'Upgrading'
  return observed.groups.flat().every(isVoter) ? 'Running' : 'Degraded'
}

function verdictsOf(input: StatusInput, jobs: readonly Job[]): Verdict[] {
  const { spec, bootstrapWaits, rollout } = input
  return [
    acceptance(input),
    availability(input),
    spec.paused
      ? { type: 'Progressing', status: 'False', reason: 'Paused', message: 'spec.paused: the operator changes nothing' }
      : bootstrapWaits !== undefined
        ? { type: 'Progressing', status: 'True', reason: 'Bootstrapping', message: bootstrapWaits }
        : jobs.length > 0
          ? { type: 'Progressing', status: 'True', reason: jobs[0]?.type ?? '', message: jobs[0]?.message ?? '' }
          : { type: 'Progressing', status: 'False', reason: 'Settled', message: 'everything is as the resource says' },
    degradation(input),
    rollout.outdated > 0
      ? {
          type: 'Upgrading',
          status: 'True',
          reason: rollout.restarts.length > 0 ? 'Restarting' : 'Waiting',
          message: `${rollout.outdated} of ${rollout.total} pods are to be made anew; ${rollout.waitsFor === undefined ? 'one of a group at a time' : `waits for ${rollout.waitsFor}`}`,
        }
      : { type: 'Upgrading', status: 'False', reason: 'UpToDate', message: 'every pod is made from the template in force' },
  ]
}

function acceptance({ refusals }: StatusInput): Verdict {
  const type = 'Accepted'
  const [first] = refusals
  if (first === undefined) return { type, status: 'True', reason: 'Valid', message: 'the resource can be acted upon' }
  return { type, status: 'False', reason: first.reason, message: refusals.map(({ message }) => message).join('; ') }
}

/** True only by the word of a majority of voters of every group, in this pass. */
function availability({ observed, bootstrapWaits }: StatusInput): Verdict {
  const type = 'Available'
  if (bootstrapWaits !== undefined) return { type, status: 'False', reason: 'Bootstrapping', message: bootstrapWaits }
  const without = observed.groups.filter((all) => !hasMajority(votersOf(all)))
  const [first] = without
  if (first === undefined) {
    return { type, status: 'True', reason: 'MajorityVotes', message: 'a majority of every group votes' }
  }
  const message = `${without.length} of ${observed.groups.length} groups have no majority of voters: ${first
    .filter((one) => !isVoter(one))
    .map(describe)
    .join('; ')}`
  const mayBe = without.every(
    (all) => all.filter((one) => isVoter(one) || (one.facts === undefined && one.pod?.isReady === true)).length >= quorumOf(all.length),
  )
  return mayBe ? { type, status: 'Unknown', reason: 'NoAnswer', message } : { type, status: 'False', reason: 'NoMajority', message }
}

function degradation({ observed, bootstrapWaits, needsOperator, jobs }: StatusInput): Verdict {
  const type = 'Degraded'
  const isForeign = observed.groups.flat().some(({ foreign }) => foreign !== undefined)
  if (needsOperator.length > 0)
    return { type, status: 'True', reason: isForeign ? 'ForeignVolume' : 'NeedsOperator', message: needsOperator.join('; ') }
  if (bootstrapWaits !== undefined)
    return { type, status: 'False', reason: 'Bootstrapping', message: 'no majority of every group has voted yet' }
  const missing = observed.groups.flat().filter((one) => !isVoter(one))
  if (missing.length > 0) {
    const wordsOf = (one: ObservedReplica): string =>
      jobs.find(({ type: job, group, replica }) => job === 'Recovery' && group === one.group && replica === one.replica)?.message ??
      describe(one)
    return { type, status: 'True', reason: isForeign ? 'ForeignVolume' : 'ReplicaMissing', message: missing.map(wordsOf).join('; ') }
  }
  const full = observed.groups.flat().filter(({ facts }) => facts?.writes.state === 'disk_full')
  const [one] = full
  if (one !== undefined)
    return {
      type,
      status: 'True',
      reason: 'DiskFull',
      message: `the volume of replica ${one.replica} of group ${one.group} is full: raise spec.storage.size`,
    }
  return { type, status: 'False', reason: 'Healthy', message: 'every replica votes' }
}

/** Of a resource that says what can't be: nothing of it is acted upon, and what runs goes on. */
export function refusedStatus(before: PaxosGroupStatus, refusal: Refusal, nowMs: number, generation: number): PaxosGroupStatus {
  const refused: Verdict = { type: 'Accepted', status: 'False', ...refusal }
  const others = (before.conditions ?? []).filter(({ type }) => type !== 'Accepted')
  return {
    ...before,
    observedGeneration: generation,
    ...(before.clusterId === undefined ? { phase: 'Refused' as const } : {}),
    conditions: [...mergeConditions(before.conditions, [refused], nowMs, generation), ...others],
  }
}
