/** Whether the disruption budgets let a pod be evicted, by the pods that are ready now. */
import type { KubeObject } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import { isReady } from './pod-status.ts'
import { type LabelSelector, matchesSelector } from './selector.ts'
import type { Store } from './store.ts'

interface Budget {
  readonly selector?: LabelSelector
  readonly minAvailable?: number | string
  readonly maxUnavailable?: number | string
}

export function mayEvict(store: Store, pod: KubeObject): boolean {
  const { namespace, labels = {} } = pod.metadata
  const scope = { namespace }
  for (const { spec } of store.all(RESOURCES.podDisruptionBudgets, scope)) {
    const { selector = {}, minAvailable, maxUnavailable } = spec as Budget
    if (!matchesSelector(selector, labels)) continue
    const covered = store.all(RESOURCES.pods, scope).filter((one) => matchesSelector(selector, one.metadata.labels ?? {}))
    const healthy = covered.filter((one) => isReady(one) && one.metadata.deletionTimestamp === undefined).length
    const expected = expectedPods(store, covered)
    const least = minAvailable === undefined ? expected - count(maxUnavailable ?? 0, expected) : count(minAvailable, expected)
    // A pod that is not healthy may go only while all that are needed are.
    if (isReady(pod) ? healthy - 1 < least : healthy < least) return false
  }
  return true
}

/** As many as their controllers want, not as there are. */
function expectedPods(store: Store, pods: readonly KubeObject[]): number {
  const owners = new Map<string, number>()
  let alone = 0
  for (const { metadata } of pods) {
    const owner = metadata.ownerReferences?.find(({ controller }) => controller === true)
    const set = owner && store.get(RESOURCES.statefulSets, { namespace: metadata.namespace, name: owner.name })
    if (set === undefined) alone++
    else owners.set(set.metadata.uid as string, ((set.spec as { replicas?: number }).replicas ?? 1) as number)
  }
  return alone + [...owners.values()].reduce((sum, replicas) => sum + replicas, 0)
}

const count = (value: number | string, of: number): number =>
  typeof value === 'number' ? value : Math.ceil((Number.parseInt(value, 10) / 100) * of)
