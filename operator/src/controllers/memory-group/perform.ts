/** Performs an action of a MemoryGroup's plan; each can be done again. True if something was changed. */
import { bootstrapName, memoryName } from '../../api/names.ts'
import type { MemoryAction } from '../../plan/memory-plan.ts'
import { type KubeObject, RESOURCES } from '../../runtime/mod.ts'
import { type ApplyContext, applyObject, gone } from '../apply-object.ts'
import { MEMORY_LIMIT_KEY } from '../paxos-group/observe.ts'

export interface MemoryPerformSubject {
  readonly namespace: string
  readonly name: string
  /** Its cluster's. */
  readonly paxosGroup: string
}

export async function performMemoryAction(
  context: ApplyContext,
  { namespace, name, paxosGroup }: MemoryPerformSubject,
  action: MemoryAction,
): Promise<boolean> {
  const { kube } = context
  switch (action.do) {
    case 'apply':
      return await applyObject(context, action.object as KubeObject)
    case 'limit': {
      const value = action.limit === undefined ? null : JSON.stringify(action.limit)
      const patch = { metadata: { resourceVersion: action.resourceVersion }, data: { [MEMORY_LIMIT_KEY]: value } }
      await kube.patch(RESOURCES.configMaps, { namespace, name: bootstrapName(paxosGroup) }, patch)
      return true
    }
    case 'adjust': {
      const { group, uid, replicas, partition } = action
      const spec = { replicas, updateStrategy: { rollingUpdate: { partition } } }
      await kube.patch(RESOURCES.statefulSets, { namespace, name: memoryName(name, group) }, { metadata: { uid }, spec })
      return true
    }
    case 'mark': {
      const { group, uid, marks } = action
      await kube.patch(RESOURCES.statefulSets, { namespace, name: memoryName(name, group) }, { metadata: { uid, ...marks } })
      return true
    }
    case 'deletePod':
      return await gone(kube.delete(RESOURCES.pods, { namespace, name: action.pod }, { uid: action.uid, gracePeriodSeconds: 0 }))
    case 'removeGroup': {
      const at = { namespace, name: memoryName(name, action.group) }
      const { uid } = action
      if (uid !== undefined && !(await gone(kube.delete(RESOURCES.statefulSets, at, { uid })))) return false
      await gone(kube.delete(context.budgets, at))
      await gone(kube.delete(RESOURCES.services, at))
      return true
    }
  }
}
