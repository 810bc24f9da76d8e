/** Conditions keep the time of their last change of status. */
import type { Condition, ConditionType } from '../api/paxos-group.ts'
import { formatTime } from '../api/time.ts'

export interface Verdict {
  readonly type: ConditionType
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
}

export function mergeConditions(
  before: readonly Condition[] | undefined,
  verdicts: readonly Verdict[],
  nowMs: number,
  observedGeneration: number,
): Condition[] {
  return verdicts.map((verdict) => {
    const last = before?.find(({ type }) => type === verdict.type)
    const lastTransitionTime = last?.status === verdict.status ? last.lastTransitionTime : formatTime(nowMs)
    return { ...verdict, observedGeneration, lastTransitionTime }
  })
}
