/**
 * Who votes, by what the replicas say of themselves in this pass. Nothing else counts: no pod's readiness, no older status. One
 * that is being stopped votes until it is gone, and is counted no more.
 */

import type { Voters } from './disruption.ts'
import type { ObservedReplica } from './observed.ts'

export function isVoter({ pod, facts }: ObservedReplica): boolean {
  return pod?.isDeleting !== true && facts?.state === 'serving' && facts.mode === 'Voter'
}

/**
 * Is it known to give no vote, now and in the next moment? Only because nothing runs that could give one. What runs may vote
 * before it is stopped, whatever it said or did not say a moment ago: a learner, or one that waited for its topology.
 */
export function isIdle({ pod }: ObservedReplica): boolean {
  return pod === undefined || pod.trouble !== undefined || pod.phase !== 'Running'
}

export function votersOf(replicas: readonly ObservedReplica[]): Voters {
  return replicas.map(isVoter)
}

/** Entries that another replica of the group has applied and this one has not; undefined if it did not answer. */
export function lagOf(replicas: readonly ObservedReplica[], { facts }: ObservedReplica): number | undefined {
  if (facts === undefined) return undefined
  const most = Math.max(...replicas.map((one) => one.facts?.chosenTotal ?? 0))
  return most - facts.chosenTotal
}
