/** Random histories of a few records that are linearizable by construction, and ways to spoil them. */
import type { Operation } from './model.ts'
import { type Condition, type RecordInput, type RecordOutput, type RecordState, recordModel } from './record.ts'

export type RecordOperation = Operation<RecordInput, RecordOutput>

/** A number in [0, 1) from a seed: mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Clients in closed loops over `records` records; each operation takes effect at a moment between its two times. */
export function generate(random: () => number, clients: number, operations: number, records: number, unknown: number): RecordOperation[] {
  const below = (limit: number): number => Math.floor(random() * limit)
  const planned = Array.from({ length: clients }, (_, client) => {
    let atMs = random()
    return Array.from({ length: Math.ceil(operations / clients) }, (_unused, i) => {
      const startMs = atMs
      const effectMs = startMs + random() * 5
      const endMs = effectMs + random() * 5
      atMs = endMs + random() * 2
      return { startMs, effectMs, endMs, value: `${client}.${i}` }
    })
  }).flat()
  planned.sort((a, b) => a.effectMs - b.effectMs)
  const states = new Map<string, RecordState>()
  return planned.map(({ startMs, endMs, value }, i) => {
    const version = i + 1
    const where = { series: `s${below(2)}`, id: `${below(records)}` }
    const key = JSON.stringify(where)
    const state = states.get(key) ?? recordModel.initial
    const condition = ([{ kind: 'none' }, { kind: 'ifAbsent' }, { kind: 'ifVersion', version: state.version ?? 0 }] as const)[
      below(3)
    ] as Condition
    const kind = (['get', 'get', 'put', 'put', 'delete'] as const)[below(5)] as 'get' | 'put' | 'delete'
    const input: RecordInput =
      kind === 'get' ? { ...where, kind } : kind === 'put' ? { ...where, kind, value, condition } : { ...where, kind, condition }
    const { output, after } = take(state, input, version)
    const isUnknown = kind !== 'get' && random() < unknown
    if (!(isUnknown && random() < 0.5)) states.set(key, after)
    return { input, output: isUnknown ? undefined : output, startMs, endMs: isUnknown ? Number.POSITIVE_INFINITY : endMs }
  })
}

function take(state: RecordState, input: RecordInput, version: number): { output: RecordOutput; after: RecordState } {
  if (input.kind === 'get') return { output: { kind: 'found', version: state.version ?? 0, value: state.value }, after: state }
  const done = { kind: 'done', version } as const
  const [after] = recordModel.step(state, input, done)
  return after === undefined ? { output: { kind: 'refused' }, after: state } : { output: done, after }
}
