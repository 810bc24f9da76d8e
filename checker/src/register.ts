/** One register: read, write, compare-and-set. */
import type { Model } from './model.ts'

export type RegisterInput =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly value: string }
  | { readonly kind: 'cas'; readonly from: string; readonly to: string }

/** What was read, whether a compare-and-set was done; a write says nothing. */
export type RegisterOutput = { readonly value?: string | undefined; readonly done?: boolean }

/** The value, undefined before the first write. */
type State = string | undefined

export const registerModel: Model<State, RegisterInput, RegisterOutput> = {
  initial: undefined,
  keyOf: () => '',
  identify: (state) => JSON.stringify(state ?? null),
  step: (state, input, output) => {
    if (input.kind === 'read') return output === undefined || output.value === state ? [state] : []
    if (input.kind === 'write') return [input.value]
    const isDone = state === input.from
    return output === undefined || output.done === isDone ? [isDone ? input.to : state] : []
  },
}
