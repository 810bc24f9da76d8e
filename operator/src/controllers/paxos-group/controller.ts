/** The controller of PaxosGroups, and what it looks at one for. */
import { PAXOS_GROUP_KIND } from '../../api/crd.ts'
import { STORAGE } from '../../api/names.ts'
import { keyOf } from '../../runtime/mod.ts'
import type { ReconcileContext } from '../context.ts'
import { Controller } from '../controller.ts'
import { referenceKeyOf } from '../memory-groups.ts'
import { isReadyNode } from '../views.ts'
import { haveSynced, PAXOS_GROUPS, resourceKeyOf, servedKeyOf, type Watches } from '../watches.ts'
import { reconcile } from './reconcile.ts'

export function paxosGroupController(context: ReconcileContext, workers: number): Controller {
  const { watches } = context
  const controller = new Controller(context, {
    definition: PAXOS_GROUP_KIND,
    resource: PAXOS_GROUPS,
    workers,
    hasSynced: () => haveSynced(watches),
    reconcile: (key) => reconcile(context, key),
  })
  subscribe(watches, controller.add)
  subscribeToNodes(watches, controller.add)
  return controller
}

function subscribe(watches: Watches, add: (key: string) => void): void {
  for (const informer of watches.paxosGroups) informer.subscribe(({ metadata }) => keyOf(metadata), add)
  const owned = [watches.statefulSets, watches.pods, watches.claims, watches.services, watches.serviceAccounts, watches.budgets]
  for (const informer of owned.flat()) informer.subscribe(resourceKeyOf(STORAGE), add)
  // What is cached of it is in its topology.
  for (const informer of watches.memoryGroups) informer.subscribe(referenceKeyOf, add)
  for (const informer of watches.memoryPods) informer.subscribe(servedKeyOf, add)
}

/** A node that comes or goes may concern every resource. Kubelets write their nodes every few seconds; that alone is no news. */
function subscribeToNodes({ nodes, paxosGroups }: Watches, add: (key: string) => void): void {
  const seen = new Map<string, string>()
  nodes?.subscribe(
    ({ metadata }) => metadata.name,
    (name) => {
      const node = nodes.get({ name })
      const now = node === undefined ? 'gone' : String(isReadyNode(node))
      if (seen.get(name) === now) return
      seen.set(name, now)
      for (const informer of paxosGroups) for (const { metadata } of informer.all()) add(keyOf(metadata))
    },
  )
}
