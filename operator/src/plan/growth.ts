/**
 * Volume growth. Claims grow whatever state the pod is in: a full disk is why. A StatefulSet's claim template can't be edited,
 * so the StatefulSet is deleted without its pods and made anew with the new size; the pods stay as they are.
 */

import type { Job, PaxosGroupSpec } from '../api/paxos-group.ts'
import { parseBytes } from '../api/quantity.ts'
import { formatTime } from '../api/time.ts'
import type { Observed } from './observed.ts'

export interface Growth {
  readonly claims: readonly { readonly group: number; readonly replica: number; readonly claim: string; readonly size: string }[]
  readonly statefulSets: readonly { readonly group: number; readonly uid: string }[]
  readonly jobs: readonly Job[]
}

export function planGrowth(spec: PaxosGroupSpec, { groups, statefulSets, status, nowMs }: Observed): Growth {
  const { size } = spec.storage
  const wanted = parseBytes(size) as number
  const claimsOf = groups.map((replicas) => replicas.flatMap(({ claim }) => (claim === undefined ? [] : [claim])))
  const jobs = claimsOf.flatMap((claims, group): Job[] => {
    const small = claims.filter(({ isBound, capacityBytes }) => isBound && capacityBytes < wanted)
    if (small.length === 0) return []
    const before = status.jobs?.find((job) => job.type === 'VolumeGrowth' && job.group === group)
    const message = `${claims.length - small.length} of ${claims.length} volumes have ${size}`
    const progress = Math.floor(((claims.length - small.length) * 100) / claims.length)
    return [{ type: 'VolumeGrowth', group, step: 'Growing', startedAt: before?.startedAt ?? formatTime(nowMs), message, progress }]
  })
  return {
    claims: groups
      .flat()
      .flatMap(({ group, replica, claim }) =>
        claim !== undefined && !claim.isDeleting && claim.requestedBytes < wanted ? [{ group, replica, claim: claim.name, size }] : [],
      ),
    statefulSets: statefulSets.flatMap((set, group) =>
      set !== undefined && !set.isDeleting && set.claimBytes < wanted ? [{ group, uid: set.uid }] : [],
    ),
    jobs,
  }
}
