/** What people are told as Events whatever the kind: which condition turned. */
import type { Condition } from '../api/node-fields.ts'
import type { KubeObject } from '../runtime/mod.ts'
import type { ReconcileContext } from './context.ts'

interface Conditions {
  readonly conditions?: readonly Condition[] | undefined
}

/** A condition that turned is an event: what went wrong, what came right. */
export function tellConditions(
  { events }: Pick<ReconcileContext, 'events'>,
  object: KubeObject,
  before: Conditions,
  now: Conditions,
): void {
  for (const { type, status, reason, message } of now.conditions ?? []) {
    const last = before.conditions?.find((one) => one.type === type)
    if (last?.status === status && last.reason === reason) continue
    const isGood = type === 'Accepted' || type === 'Available' ? status === 'True' : type !== 'Degraded' || status !== 'True'
    if (last === undefined && isGood && type !== 'Available') continue
    events.record({ object, type: isGood ? 'Normal' : 'Warning', reason, message: `${type} is ${status}: ${message}` })
  }
}
