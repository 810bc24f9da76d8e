/**
 * One record of Thermocline: put and delete, with or without a condition, and get. Every write that takes effect gives the
 * record a version that is not known before its answer; the version of a write without an answer is known once it is
 * read. Versions of later writes are higher.
 */
import type { Model } from './model.ts'

export type Condition = { readonly kind: 'none' } | { readonly kind: 'ifAbsent' } | { readonly kind: 'ifVersion'; readonly version: number }

export type RecordInput = { readonly series: string; readonly id: string } & (
  | { readonly kind: 'get' }
  | { readonly kind: 'put'; readonly value: string; readonly condition: Condition }
  | { readonly kind: 'delete'; readonly condition: Condition }
)

export type RecordOutput =
  /** What a get found; version 0 is nothing. */
  | { readonly kind: 'found'; readonly version: number; readonly value: string | undefined }
  /** A write took effect under this version. */
  | { readonly kind: 'done'; readonly version: number }
  /** Its condition did not hold. */
  | { readonly kind: 'refused' }

export interface RecordState {
  /** Undefined: there is no such record. */
  readonly value: string | undefined
  /** Of the record; undefined while nobody was told. */
  readonly version: number | undefined
  /** Highest version that anybody was told of. */
  readonly top: number
}

const NOTHING: RecordState = { value: undefined, version: 0, top: 0 }

export const recordModel: Model<RecordState, RecordInput, RecordOutput> = {
  initial: NOTHING,
  keyOf: ({ series, id }) => JSON.stringify([series, id]),
  identify: ({ value, version, top }) => JSON.stringify([value ?? null, version ?? null, top]),
  step: (state, input, output) => {
    if (input.kind === 'get') return output === undefined ? [state] : get(state, output)
    return holds(state, input.condition).flatMap(({ isHeld, known }) => {
      if (!isHeld) return output === undefined || output.kind === 'refused' ? [known] : []
      if (output === undefined) return [written(known, input, undefined)]
      return output.kind === 'done' && output.version > known.top ? [written(known, input, output.version)] : []
    })
  },
}

function get(state: RecordState, output: RecordOutput): readonly RecordState[] {
  if (output.kind !== 'found' || output.value !== state.value) return []
  if (state.version !== undefined) return output.version === state.version ? [state] : []
  return output.version > state.top ? [{ value: state.value, version: output.version, top: output.version }] : []
}

function written(state: RecordState, input: RecordInput, version: number | undefined): RecordState {
  const top = version ?? state.top
  if (input.kind === 'put') return { value: input.value, version, top }
  return { value: undefined, version: 0, top }
}

/** Whether the condition holds, and what is known of the state then: both ways, if a version is not known. */
function holds(state: RecordState, condition: Condition): readonly { readonly isHeld: boolean; readonly known: RecordState }[] {
  if (condition.kind === 'none') return [{ isHeld: true, known: state }]
  if (condition.kind === 'ifAbsent') return [{ isHeld: state.value === undefined, known: state }]
  const { version } = condition
  if (state.version !== undefined) return [{ isHeld: state.version === version, known: state }]
  const unlike = { isHeld: false, known: state }
  return version > state.top ? [{ isHeld: true, known: { ...state, version, top: version } }, unlike] : [unlike]
}
