/** Conditions keep the time of their last change of status. */
import type { Condition, ConditionType } from '../api/node-fields.ts'
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
    return { ...verdict, message: cut(verdict.message), observedGeneration, lastTransitionTime }
  })
}

/** A server refuses a longer one than the schema says, and with it the whole status; nor would anybody read it. */
const MOST_WORDS = 4000

const cut = (message: string): string => (message.length <= MOST_WORDS ? message : `${message.slice(0, MOST_WORDS)}…`)
