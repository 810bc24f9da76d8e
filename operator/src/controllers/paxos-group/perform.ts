/** Performs a plan's actions, one after the other; each can be done again. What fails ends the pass, and the next plans anew. */
import { ANNOTATIONS, bootstrapName, claimName, groupName, podName } from '../../api/names.ts'
import type { NodeAdmin } from '../../cluster-admin/node-admin.ts'
import type { Initial, Observed } from '../../plan/observed.ts'
import type { Action } from '../../plan/plan.ts'
import { mayGiveUp, maySetAside } from '../../plan/recovery.ts'
import { mayRestart } from '../../plan/rollout.ts'
import { type KubeObject, RESOURCES } from '../../runtime/mod.ts'
import { type ApplyContext, applyObject, gone } from '../apply-object.ts'
import { EPOCH_KEY, httpAddress, SLICE_KEY, VOLUMES_KEY } from './observe.ts'
import { observeGroup } from './observe-group.ts'

export interface PerformContext extends ApplyContext {
  readonly admin: NodeAdmin
}

/** What a group is to be read anew by. */
export interface PerformSubject {
  readonly zoneKey: string
  readonly clusterId: string
  readonly namespace: string
  readonly name: string
  readonly token: string
  readonly observed: Observed
}

export interface Done {
  readonly action: Action
  /** False if everything was so already. */
  readonly changed: boolean
}

export async function perform(context: PerformContext, subject: PerformSubject, action: Action): Promise<Done> {
  return { action, changed: await performOne(context, subject, action) }
}

async function performOne(context: PerformContext, subject: PerformSubject, action: Action): Promise<boolean> {
  const { kube } = context
  const { namespace, name } = subject
  switch (action.do) {
    case 'apply':
      return await applyObject(context, action.object as KubeObject)
    case 'fillSlots':
      await kube.patch(
        RESOURCES.configMaps,
        { namespace, name: bootstrapName(name) },
        { metadata: { resourceVersion: action.resourceVersion }, data: initialData(action.initial) },
      )
      return true
    case 'nameEpoch':
      await kube.patch(
        RESOURCES.configMaps,
        { namespace, name: bootstrapName(name) },
        { metadata: { resourceVersion: action.resourceVersion }, data: { [EPOCH_KEY]: String(action.epoch) } },
      )
      return true
    case 'putTopology': {
      const pod = subject.observed.groups[action.group]?.[action.replica]?.pod
      if (pod === undefined) return false
      await context.admin.putTopology(httpAddress(pod), action.topology, subject.token)
      return true
    }
    case 'restartPod':
      return await gone(restartPod(context, subject, action))
    case 'deletePod': {
      const at = { namespace, name: podName(name, action.group, action.replica) }
      return await gone(kube.delete(RESOURCES.pods, at, { uid: action.uid, gracePeriodSeconds: 0 }))
    }
    case 'deleteClaim': {
      const at = { namespace, name: claimName(name, action.group, action.replica) }
      const { replicas, nodes } = await observeGroup(context, subject, action.group)
      if (!mayGiveUp(action.replica, action.uid, { nodes, canSeeNodes: true }, replicas)) return false
      return await gone(kube.delete(RESOURCES.persistentVolumeClaims, at, { uid: action.uid }))
    }
    case 'markClaim':
      await kube.patch(
        RESOURCES.persistentVolumeClaims,
        { namespace, name: action.claim },
        { metadata: { annotations: { [ANNOTATIONS.foreignVolume]: action.owner } } },
      )
      return true
    case 'setVolumeAside':
      return await setVolumeAside(context, subject, action)
    case 'growClaim':
      await kube.patch(
        RESOURCES.persistentVolumeClaims,
        { namespace, name: action.claim },
        { spec: { resources: { requests: { storage: action.size } } } },
      )
      return true
    case 'orphanStatefulSet': {
      const at = { namespace, name: groupName(name, action.group) }
      return await gone(kube.delete(RESOURCES.statefulSets, at, { uid: action.uid, propagation: 'Orphan' }))
    }
  }
}

const initialData = ({ volumes, sliceDurationMs }: Initial): Record<string, string> => ({
  [VOLUMES_KEY]: JSON.stringify(volumes),
  [SLICE_KEY]: String(sliceDurationMs),
})

async function setVolumeAside(
  context: PerformContext,
  subject: PerformSubject,
  { group, replica }: Extract<Action, { do: 'setVolumeAside' }>,
): Promise<boolean> {
  const { replicas, nodes } = await observeGroup(context, subject, group)
  const pod = replicas[replica]?.pod
  if (pod === undefined || !maySetAside(replica, { nodes, canSeeNodes: true }, replicas)) return false
  await context.admin.setVolumeAside(httpAddress(pod), subject.token)
  return true
}

async function restartPod(
  context: PerformContext,
  subject: PerformSubject,
  restart: Extract<Action, { do: 'restartPod' }>,
): Promise<boolean> {
  const { kube } = context
  const { group, replica, podUid: uid } = restart
  const { namespace, name } = subject
  const { replicas } = await observeGroup(context, subject, group)
  const at = { namespace, name: podName(name, group, replica) }
  const how = mayRestart(replicas, restart)
  if (how === undefined) return false
  if (how === 'evict') return (await kube.evict(at, { uid })) === 'evicted'
  // The budget of a group that has lost its majority would keep a useless pod for ever; its version sees to it that it still is one.
  const { resourceVersion } = replicas[replica]?.pod ?? {}
  return await kube.delete(RESOURCES.pods, at, { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) })
}
