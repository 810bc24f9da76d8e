/** Everything that the operator applies for a resource, in the order in which it is to be there. */
import { adminSecret, serviceAccount } from './access.ts'
import type { Cluster } from './cluster.ts'
import { disruptionBudget } from './disruption-budget.ts'
import type { KubeObject } from './object.ts'
import { clientService, groupService } from './services.ts'
import { statefulSet } from './stateful-set.ts'

/** `groups` are all there are, `changed` those whose StatefulSet is not what the resource says. */
export function desiredObjects(cluster: Cluster, groups: number, changed: ReadonlySet<number>, token: string): KubeObject[] {
  const perGroup = Array.from({ length: groups }, (_, group) => [
    groupService(cluster, group),
    disruptionBudget(cluster, group),
    ...(changed.has(group) ? [statefulSet(cluster, group)] : []),
  ])
  return [serviceAccount(cluster), adminSecret(cluster, token), clientService(cluster), ...perGroup.flat()]
}
