/** What people are told as Events of a MemoryGroup besides conditions that turned. */
import type { MemoryGroupSpec, MemoryGroupStatus } from '../../api/memory-group.ts'
import type { MemoryAction } from '../../plan/memory-plan.ts'
import type { KubeObject } from '../../runtime/mod.ts'
import type { ReconcileContext } from '../context.ts'

type Telling = Pick<ReconcileContext, 'events'>

/** Something that the resource says has come into force, or where clients are sent has changed. */
export function tellTopology(
  { events }: Telling,
  object: KubeObject,
  { spec, before, now }: { readonly spec: MemoryGroupSpec; readonly before: MemoryGroupStatus; readonly now: MemoryGroupStatus },
): void {
  const { topologyEpoch: epoch } = now
  if (epoch === undefined || epoch === before.topologyEpoch) return
  const listed = now.groupStatuses?.flatMap(({ machines }) => machines.filter(({ listed: isListed }) => isListed)).length ?? 0
  const which = spec.newerThan === undefined ? 'all' : `records newer than ${spec.newerThan}`
  const message = `epoch ${epoch}: ${spec.trafficPercent} % of the reads of ${which} go to ${listed} machines`
  events.record({ object, type: 'Normal', reason: 'InForce', message })
}

/** What is done at every pass is not told. */
export function tellMemoryAction({ events }: Telling, object: KubeObject, action: MemoryAction): void {
  const told = wordsOf(action)
  if (told !== undefined) events.record({ object, type: 'Normal', ...told })
}

function wordsOf(action: MemoryAction): { reason: string; message: string } | undefined {
  switch (action.do) {
    case 'adjust': {
      const { group, replicas, why } = action
      if (why === 'paused' || why === 'resumed')
        return {
          reason: why === 'paused' ? 'RolloutPaused' : 'RolloutResumed',
          message: `changes of the pods of group ${group} are ${why}`,
        }
      return { reason: why === 'scaled out' ? 'ScaledOut' : 'ScaledIn', message: `group ${group} is ${why} to ${replicas} machines` }
    }
    case 'deletePod':
      return { reason: 'MachineReplaced', message: `pod ${action.pod} deleted: ${action.why}` }
    case 'removeGroup':
      return { reason: 'GroupRemoved', message: `group ${action.group} and its machines are deleted; no client is sent there any more` }
    case 'apply':
    case 'mark':
    case 'limit':
      return undefined
  }
}
