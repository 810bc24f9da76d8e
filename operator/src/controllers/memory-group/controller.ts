/** The controller of MemoryGroups, and what it looks at one for. */
import { MEMORY_GROUP_KIND } from '../../api/crd.ts'
import { MEMORY } from '../../api/names.ts'
import { atOfKey, keyOf } from '../../runtime/mod.ts'
import type { ReconcileContext } from '../context.ts'
import { Controller } from '../controller.ts'
import { memoryGroupsOf, referenceKeyOf } from '../memory-groups.ts'
import { haveMemorySynced, haveSynced, MEMORY_GROUPS, resourceKeyOf, type Watches } from '../watches.ts'
import { reconcileMemoryGroup } from './reconcile.ts'

export function memoryGroupController(context: ReconcileContext, workers: number): Controller {
  const { watches } = context
  const controller = new Controller(context, {
    definition: MEMORY_GROUP_KIND,
    resource: MEMORY_GROUPS,
    workers,
    hasSynced: () => haveSynced(watches) && haveMemorySynced(watches),
    reconcile: (key) => reconcileMemoryGroup(context, key),
  })
  subscribe(watches, controller.add)
  return controller
}

function subscribe(watches: Watches, add: (key: string) => void): void {
  // Of several that name one cluster another may serve it now.
  const addAllOf = (served: string): void => {
    for (const { metadata } of memoryGroupsOf(watches, atOfKey(served))) add(keyOf(metadata))
  }
  for (const informer of watches.memoryGroups) {
    informer.subscribe(({ metadata }) => keyOf(metadata), add)
    informer.subscribe(referenceKeyOf, addAllOf)
  }
  // How many groups it has, and the epoch of its topology.
  for (const informer of watches.paxosGroups) informer.subscribe(({ metadata }) => keyOf(metadata), addAllOf)
  const owned = [watches.statefulSets, watches.memoryPods, watches.services, watches.serviceAccounts, watches.budgets]
  for (const informer of owned.flat()) informer.subscribe(resourceKeyOf(MEMORY), add)
}
