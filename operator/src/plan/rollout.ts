/**
 * Rolling change: brings every pod to the template in force by deleting those that differ; Kubernetes makes them anew.
 *
 * One replica of a group at a time, and only while all others of the group vote; groups in parallel up to a bound, inside the
 * maintenance windows. Decided twice: here, by caches, and again before it is done, by what the server and the nodes say then
 * (`mayRestart`): a cache may be behind our own last restart.
 *
 * A pod in which nothing runs (a broken image, a container that ends) costs nothing and goes first, at any time: so a broken
 * template is mended by writing a good one, and no pod has to be deleted by hand. One that runs and says that it does not vote may
 * vote in the next moment: it goes at any time, too, but only while all others vote. One that says nothing counts as one that votes.
 */
import type { PaxosGroupSpec } from '../api/paxos-group.ts'
import { mayDisrupt } from './disruption.ts'
import { isOpen, untilOpenMs } from './maintenance.ts'
import type { Observed, ObservedReplica, VolumeName } from './observed.ts'
import { isIdle, isVoter, votersOf } from './voters.ts'

export interface Restart {
  readonly group: number
  readonly replica: number
  readonly podUid: string
  /** It may be taken even if it votes: windows and other groups allow it. */
  readonly mayVote: boolean
}

export interface Rollout {
  readonly restarts: readonly Restart[]
  /** Replicas whose pod is not of the template in force, before the restarts. */
  readonly outdated: number
  readonly total: number
  /** Why nothing more is restarted now, in words; undefined if nothing is outdated. */
  readonly waitsFor: string | undefined
  /** When to look again, if time alone decides it. */
  readonly againAfterMs: number | undefined
}

export function planRollout(spec: PaxosGroupSpec, { groups, nodes, nowMs }: Observed, templateHash: string): Rollout {
  const isOutdated = ({ pod }: ObservedReplica): boolean => pod !== undefined && !pod.isDeleting && pod.templateHash !== templateHash
  const all = groups.flat()
  const outdated = all.filter(isOutdated)
  const { windows } = spec.maintenance
  let room = spec.upgradeStrategy.maxUnavailableGroups - groups.filter((replicas) => !replicas.every(isVoter)).length
  const restarts: Restart[] = []
  const waits: string[] = []
  for (const replicas of groups) {
    const mine = replicas.filter(isOutdated)
    const useless = mine.filter(isIdle)
    if (useless.length > 0) {
      restarts.push(...useless.map(toRestart))
      continue
    }
    const next = inOrder(mine, nodes).find(({ replica }) => mayDisrupt(votersOf(replicas), replica))
    if (mine.length === 0) continue
    if (next === undefined) waits.push(waitsIn(replicas))
    // All others vote and this one says that it doesn't: its group is down by one already.
    else if (!mightVote(next)) restarts.push(toRestart(next))
    else if (!isOpen(windows, nowMs)) waits.push('the next maintenance window')
    else if (replicas.every(isVoter) && room <= 0)
      waits.push(`other groups: ${spec.upgradeStrategy.maxUnavailableGroups} may have a replica down at once`)
    else {
      if (replicas.every(isVoter)) room--
      restarts.push({ ...toRestart(next), mayVote: true })
    }
  }
  return {
    restarts,
    outdated: outdated.length,
    total: all.length,
    waitsFor: outdated.length === 0 ? undefined : (waits[0] ?? 'the restarted replicas to vote again'),
    againAfterMs: outdated.length > 0 && !isOpen(windows, nowMs) ? untilOpenMs(windows, nowMs) : undefined,
  }
}

/** It says so, or says nothing. */
const mightVote = (one: ObservedReplica): boolean => isVoter(one) || (one.facts === undefined && one.foreign === undefined)

/** Decided again, of the group as it is right before the act: `evict` asks the disruption budget, too; undefined: not now. */
export function mayRestart(
  replicas: readonly ObservedReplica[],
  { replica, podUid, mayVote }: Omit<Restart, 'group'>,
): 'evict' | 'delete' | undefined {
  const one = replicas[replica]
  if (one?.pod === undefined || one.pod.uid !== podUid || one.pod.isDeleting) return undefined
  if (isIdle(one)) return 'delete'
  if (!mayDisrupt(votersOf(replicas), replica)) return undefined
  // It was to go because it does not vote, and that is no longer so, or not known: the next pass asks windows and other groups.
  if (mightVote(one) && !mayVote) return undefined
  // The budget has nothing left while this one is not ready, and need not be asked: the others are all there.
  return isVoter(one) ? 'evict' : 'delete'
}

const toRestart = (one: ObservedReplica): Restart => ({
  group: one.group,
  replica: one.replica,
  podUid: one.pod?.uid as string,
  mayVote: false,
})

/** Zone by zone, so that a bad change is seen in one zone first. */
function inOrder(replicas: readonly ObservedReplica[], nodes: Observed['nodes']): ObservedReplica[] {
  const zoneOf = ({ pod }: ObservedReplica): string => nodes.get(pod?.node ?? '')?.zone ?? ''
  return replicas.toSorted((a, b) => zoneOf(a).localeCompare(zoneOf(b)) || a.replica - b.replica)
}

function waitsIn(replicas: readonly ObservedReplica[]): string {
  const missing = replicas.filter((one) => !isVoter(one))
  return missing.map(describe).join('; ')
}

const wordsOf = (owner: VolumeName | undefined): string =>
  owner === undefined
    ? 'a volume that does not say whose it is'
    : `the volume of cluster ${owner.clusterId}, group ${owner.group}, replica ${owner.replica}`

/** Why a replica does not vote, in words. */
export function describe({ group, replica, pod, facts, claim, foreign }: ObservedReplica): string {
  const name = `replica ${replica} of group ${group}`
  if (pod === undefined) return `${name} has no pod yet`
  if (pod.trouble !== undefined) return `${name} does not run: ${pod.trouble}`
  if (pod.isDeleting) return `${name} is stopping`
  if (foreign !== undefined) return `${name} has ${wordsOf(foreign.owner)} behind claim ${claim?.name}; nothing on it is used or deleted`
  if (facts === undefined) return `${name} does not answer`
  if (facts.learner !== undefined) return `${name} learns: it votes in ${facts.learner.voting} of ${facts.learner.blocks} blocks`
  return `${name} is ${facts.state}${facts.reason === undefined ? '' : `: ${facts.reason}`}`
}
