/**
 * From what was found to what is to be done, in the order in which it is done: the whole decision of one pass. Pure.
 *
 * Writes come before what rests on them: the epoch stands in the ConfigMap before a topology carries it anywhere, and so do the
 * first volumes before a topology names them.
 */
import type { Topology } from '@thermocline/protocol'
import type { PaxosGroupStatus } from '../api/paxos-group.ts'
import { parseBytes } from '../api/quantity.ts'
import type { Cluster } from '../specs/cluster.ts'
import { type KubeObject, selectorOf } from '../specs/object.ts'
import { desiredObjects } from '../specs/objects.ts'
import { specHashOf, templateHashOf } from '../specs/stateful-set.ts'
import { acceptChanges } from './acceptance.ts'
import { type Filling, fillSlots } from './bootstrap.ts'
import { hasMajority } from './disruption.ts'
import { planGrowth } from './growth.ts'
import type { Initial, Observed } from './observed.ts'
import { planRecovery } from './recovery.ts'
import { planRollout, type Restart } from './rollout.ts'
import { makeStatus } from './status.ts'
import { planTopology, replicasBehind } from './topology.ts'
import { votersOf } from './voters.ts'

export type Action =
  | { readonly do: 'apply'; readonly object: KubeObject }
  /** Compare-and-set: only over the ConfigMap that was read, and only while it names no volumes. */
  | { readonly do: 'fillSlots'; readonly initial: Initial; readonly resourceVersion: string }
  /** Compare-and-set, before a topology carries the epoch anywhere: no other content will ever have it. */
  | { readonly do: 'nameEpoch'; readonly epoch: number; readonly resourceVersion: string }
  | { readonly do: 'putTopology'; readonly topology: Topology; readonly group: number; readonly replica: number }
  /** Only if the group can do without it when that is asked again, of the server and the nodes themselves. */
  | ({ readonly do: 'restartPod'; readonly why: string } & Restart)
  /** Without its kubelet's word, which nobody can get. */
  | { readonly do: 'deletePod'; readonly group: number; readonly replica: number; readonly uid: string; readonly why: string }
  /** Only if the volume is lost when that is asked again. */
  | { readonly do: 'deleteClaim'; readonly group: number; readonly replica: number; readonly uid: string; readonly why: string }
  | { readonly do: 'markClaim'; readonly group: number; readonly replica: number; readonly claim: string; readonly owner: string }
  /** Only if the volume is still another's, and the others can do without the replica, when that is asked again. */
  | { readonly do: 'setVolumeAside'; readonly group: number; readonly replica: number; readonly why: string }
  | { readonly do: 'growClaim'; readonly group: number; readonly replica: number; readonly claim: string; readonly size: string }
  /** Without its pods: they stay, and the next pass makes it anew around them. */
  | { readonly do: 'orphanStatefulSet'; readonly group: number; readonly uid: string }

export interface Plan {
  readonly actions: readonly Action[]
  readonly status: PaxosGroupStatus
  /** When to look again although nothing changes. */
  readonly againAfterMs: number
}

/** How often nodes are asked while all is well, and while something is under way. */
const SETTLED_POLL_MS = 5000
const BUSY_POLL_MS = 1000
const SHORTEST_POLL_MS = 200

export function makePlan(asked: Cluster, observed: Observed, token: string): Plan {
  const { spec, refusals } = acceptChanges(asked.spec, observed)
  const cluster: Cluster = { ...asked, spec }
  const { bootstrap } = observed
  const initial = bootstrap?.initial
  const filling = initial === undefined ? fillSlots(observed, cluster) : undefined
  const topology = initial === undefined ? undefined : planTopology(cluster, observed, initial)
  const recovery = initial === undefined ? undefined : planRecovery(spec, observed)
  const growth = planGrowth(spec, observed)
  const templateHash = templateHashOf(cluster)
  // Before the slots are filled, too: pods of a broken template would never come to be asked.
  const rollout = planRollout(spec, observed, templateHash)
  const status = makeStatus({
    name: cluster.name,
    spec,
    observed,
    clusterId: bootstrap?.clusterId,
    epoch: topology?.epoch ?? observed.status.topologyEpoch ?? 0,
    selector: selectorOf(cluster),
    refusals,
    bootstrapWaits: filling === undefined ? waitsForVotes(observed) : waitsOf(filling),
    rollout,
    jobs: [...(recovery?.jobs ?? []), ...growth.jobs],
    needsOperator: [...(recovery?.needsOperator ?? []), ...(filling !== undefined && 'refused' in filling ? [filling.refused] : [])],
  })
  const changed = changedSets(cluster, observed)
  const objects = desiredObjects(cluster, observed.groups.length, changed, token)
  // A pod that goes before its StatefulSet has the template in force would come back as it was.
  const isMade = (group: number): boolean => changed.has(group) || observed.statefulSets[group]?.templateHash === templateHash
  const actions: Action[] = [
    ...objects.map((object): Action => ({ do: 'apply', object })),
    ...growth.claims.map((claim): Action => ({ do: 'growClaim', ...claim })),
    ...growth.statefulSets.map((set): Action => ({ do: 'orphanStatefulSet', ...set })),
    ...fillActions(filling, bootstrap),
    ...epochActions(topology, bootstrap),
    ...(topology === undefined
      ? []
      : replicasBehind(observed, topology.epoch).map((at): Action => ({ do: 'putTopology', topology, ...at }))),
    ...(recovery?.steps ?? []),
    ...rollout.restarts
      .filter(({ group }) => isMade(group))
      .map((restart): Action => ({ do: 'restartPod', ...restart, why: 'its template has changed' })),
  ]
  const pollMs = status.phase === 'Running' && status.jobs === undefined ? SETTLED_POLL_MS : BUSY_POLL_MS
  return {
    actions: spec.paused ? [] : actions,
    status,
    againAfterMs: Math.max(SHORTEST_POLL_MS, Math.min(pollMs, recovery?.againAfterMs ?? pollMs, rollout.againAfterMs ?? pollMs)),
  }
}

/** Groups whose StatefulSet is missing, or was made from a resource that said something else. */
function changedSets(cluster: Cluster, { statefulSets }: Observed): Set<number> {
  const specHash = specHashOf(cluster)
  const claimBytes = parseBytes(cluster.spec.storage.size)
  return new Set(
    statefulSets.flatMap((set, group) => {
      // With other claims the server would refuse it: it is orphaned, and made anew in a later pass.
      const isMadeAnew = set !== undefined && (set.isDeleting || set.claimBytes !== claimBytes)
      return set?.specHash === specHash || isMadeAnew ? [] : [group]
    }),
  )
}

function waitsOf(filling: Filling): string {
  if ('waitsFor' in filling) return filling.waitsFor
  return 'refused' in filling ? filling.refused : 'the first volumes are being named'
}

/** A new cluster has bootstrapped once a majority of every group has voted; from then on missing votes are a loss. */
function waitsForVotes({ groups, status }: Observed): string | undefined {
  const isNew = status.conditions?.some(({ type, reason }) => type === 'Available' && reason === 'Bootstrapping') === true
  const without = groups.filter((replicas) => !hasMajority(votersOf(replicas)))
  if (!isNew || without.length === 0) return undefined
  return `waiting for a majority of ${without.length} of ${groups.length} groups to vote`
}

function fillActions(filling: Filling | undefined, bootstrap: Observed['bootstrap']): Action[] {
  if (filling === undefined || !('initial' in filling) || bootstrap === undefined) return []
  return [{ do: 'fillSlots', initial: filling.initial, resourceVersion: bootstrap.resourceVersion }]
}

function epochActions(topology: Topology | undefined, bootstrap: Observed['bootstrap']): Action[] {
  if (topology === undefined || bootstrap === undefined || topology.epoch <= bootstrap.epoch) return []
  return [{ do: 'nameEpoch', epoch: topology.epoch, resourceVersion: bootstrap.resourceVersion }]
}
