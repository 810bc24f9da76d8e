/** What people are told as Events besides conditions that turned: what is done, and where each recovery stands. */
import type { Job, PaxosGroupStatus } from '../../api/paxos-group.ts'
import type { Action } from '../../plan/plan.ts'
import type { KubeObject } from '../../runtime/mod.ts'
import type { ReconcileContext } from '../context.ts'

/** Each stage of a recovery, and its end. */
export function tellRecoveries(
  { events }: Pick<ReconcileContext, 'events'>,
  object: KubeObject,
  before: PaxosGroupStatus,
  now: PaxosGroupStatus,
): void {
  const recoveries = ({ jobs = [] }: PaxosGroupStatus): Job[] => jobs.filter(({ type }) => type === 'Recovery')
  const same = (jobs: readonly Job[], one: Job): Job | undefined =>
    jobs.find(({ group, replica }) => group === one.group && replica === one.replica)
  for (const job of recoveries(now)) {
    if (same(recoveries(before), job)?.step === job.step) continue
    events.record({ object, type: job.step === 'Learning' ? 'Normal' : 'Warning', reason: `Recovery${job.step}`, message: job.message })
  }
  for (const job of recoveries(before)) {
    const { mode } = now.groupStatuses?.[job.group]?.replicas[job.replica ?? -1] ?? {}
    if (same(recoveries(now), job) !== undefined || mode !== 'Voter') continue
    events.record({ object, type: 'Normal', reason: 'RecoveryDone', message: `replica ${job.replica} of group ${job.group} votes again` })
  }
}

/** What an action is to people; what is done at every pass is not told. */
export function tellAction({ events }: Pick<ReconcileContext, 'events'>, object: KubeObject, action: Action): void {
  const told = wordsOf(action)
  if (told !== undefined)
    events.record({ object, type: action.do === 'deleteClaim' || action.do === 'setVolumeAside' ? 'Warning' : 'Normal', ...told })
}

function wordsOf(action: Action): { reason: string; message: string } | undefined {
  switch (action.do) {
    case 'fillSlots':
      return {
        reason: 'Bootstrapped',
        message: `the first volumes of ${action.initial.volumes.length} groups are named; from now on others must learn before they vote`,
      }
    case 'restartPod':
    case 'deletePod':
      return {
        reason: action.do === 'deletePod' ? 'ReplicaReplaced' : 'PodRestarted',
        message: `pod of replica ${action.replica} of group ${action.group} deleted: ${action.why}`,
      }
    case 'deleteClaim':
      return { reason: 'VolumeGivenUp', message: `claim of replica ${action.replica} of group ${action.group} deleted: ${action.why}` }
    case 'setVolumeAside':
      return { reason: 'VolumeSetAside', message: `the volume’s content is moved aside, nothing is deleted: ${action.why}` }
    case 'growClaim':
      return { reason: 'VolumeGrows', message: `claim ${action.claim} asks for ${action.size}` }
    case 'orphanStatefulSet':
      return {
        reason: 'StatefulSetRemade',
        message: `the StatefulSet of group ${action.group} is made anew for larger volumes; its pods stay`,
      }
    case 'apply':
    case 'nameEpoch':
    case 'putTopology':
    case 'markClaim':
      return undefined
  }
}
