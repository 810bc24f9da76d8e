/** The part of a pod's status that others read. */
import type { KubeObject } from '../../src/runtime/ports.ts'

export interface Condition {
  readonly type: string
  readonly status: string
  readonly lastTransitionTime?: string
  readonly reason?: string
}

export const conditionOf = ({ status }: KubeObject, type: string): Condition | undefined =>
  (status as { conditions?: Condition[] } | undefined)?.conditions?.find((condition) => condition.type === type)

export const isReady = (pod: KubeObject): boolean => conditionOf(pod, 'Ready')?.status === 'True'

/** Conditions with this one set; the time of its transition changes only with its status. */
export function withCondition(conditions: readonly Condition[], next: Condition): Condition[] {
  const known = conditions.find(({ type }) => type === next.type)
  const one = known?.status === next.status ? { ...next, lastTransitionTime: known.lastTransitionTime ?? '' } : next
  return [...conditions.filter(({ type }) => type !== next.type), one]
}
