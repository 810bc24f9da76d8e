/** Who votes, by what the replicas say of themselves in this pass. Nothing else counts: no pod's readiness, no older status. */

import type { Voters } from './disruption.ts'
import type { ObservedReplica } from './observed.ts'

export function isVoter({ facts }: ObservedReplica): boolean {
  return facts?.state === 'serving' && facts.mode === 'Voter'
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
