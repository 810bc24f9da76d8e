/** Random histories of a few records that are linearizable by construction, and ways to spoil them. */
import type { Random } from '@thermocline/simulation'
import type { Operation } from './model.ts'
import { type Condition, type RecordInput, type RecordOutput, type RecordState, recordModel } from './record.ts'

export type RecordOperation = Operation<RecordInput, RecordOutput>

/** Clients in closed loops over `records` records; each operation takes effect at a moment between its two times. */
export function generate(random: Random, clients: number, operations: number, records: number, unknown: number): RecordOperation[] {
  const planned = Array.from({ length: clients }, (_, client) => {
    let atMs = random.next()
    return Array.from({ length: Math.ceil(operations / clients) }, (_unused, i) => {
      const startMs = atMs
      const effectMs = startMs + random.next() * 5
      const endMs = effectMs + random.next() * 5
      atMs = endMs + random.next() * 2
      return { startMs, effectMs, endMs, value: `${client}.${i}` }
    })
  }).flat()
  planned.sort((a, b) => a.effectMs - b.effectMs)
  const states = new Map<string, RecordState>()
  return planned.map(({ startMs, endMs, value }, i) => {
    const version = i + 1
    const where = { series: `s${random.below(2)}`, id: `${random.below(records)}` }
    const key = JSON.stringify(where)
    const state = states.get(key) ?? recordModel.initial
    const condition = ([{ kind: 'none' }, { kind: 'ifAbsent' }, { kind: 'ifVersion', version: state.version ?? 0 }] as const)[
      random.below(3)
    ] as Condition
    const kind = (['get', 'get', 'put', 'put', 'delete'] as const)[random.below(5)] as 'get' | 'put' | 'delete'
    const input: RecordInput =
      kind === 'get' ? { ...where, kind } : kind === 'put' ? { ...where, kind, value, condition } : { ...where, kind, condition }
    const { output, after } = take(state, input, version)
    const isUnknown = kind !== 'get' && random.chance(unknown)
    if (!(isUnknown && random.chance(0.5))) states.set(key, after)
    return { input, output: isUnknown ? undefined : output, startMs, endMs: isUnknown ? Number.POSITIVE_INFINITY : endMs }
  })
}

function take(state: RecordState, input: RecordInput, version: number): { output: RecordOutput; after: RecordState } {
  if (input.kind === 'get') return { output: { kind: 'found', version: state.version ?? 0, value: state.value }, after: state }
  const done = { kind: 'done', version } as const
  const [after] = recordModel.step(state, input, done)
  return after === undefined ? { output: { kind: 'refused' }, after: state } : { output: done, after }
}
